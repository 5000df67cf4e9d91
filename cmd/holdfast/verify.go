package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"holdfast/store/litestore"
	"holdfast/store/records"
)

// verifyCmd checks the books; a switch may be running on them.
type verifyCmd struct {
	bookFlags
	Wire  string        `help:"Hold what a test network saw, a log of replay --wire, against the books." placeholder:"FILE"`
	Cache bool          `help:"Hold the cache of balances in Redis against the journal, too (full mode)."`
	JSON  bool          `name:"json" help:"Print the report as JSON."`
	Limit time.Duration `help:"Give up after this long." default:"1h"`
}

// Run prints what was compared and every violation; it fails when there is one.
func (c *verifyCmd) Run(e *env) error {
	cfg, err := c.config()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(e.ctx, c.Limit)
	defer cancel()
	report, err := verifyReport(ctx, &cfg, c.Wire, c.Cache)
	if err != nil {
		return err
	}
	if c.JSON {
		encoder := json.NewEncoder(e.stdout)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(report)
	} else {
		err = printReport(e.stdout, report)
	}
	if err == nil && len(report.Violations) > 0 {
		err = errFound
	}
	return err
}

func verifyReport(ctx context.Context, cfg *config, wireLog string, cache bool) (records.Report, error) {
	r, err := cfg.openBooks(ctx)
	if err != nil {
		return records.Report{}, err
	}
	report, err := records.Verify(ctx, r)
	if file, ok := r.(*litestore.Reader); ok && err == nil {
		if damage := file.Intact(); damage != nil {
			report.Violations = append(report.Violations, records.Violation{Invariant: "the file is intact", What: damage.Error()})
		}
	}
	if wireLog != "" && err == nil {
		err = verifyWire(ctx, wireLog, r, &report)
	}
	if cache && err == nil {
		err = verifyCache(ctx, cfg, r, &report)
	}
	return report, errors.Join(err, r.Close())
}

// verifyData verifies the folder, prints the report, and returns how many violations there are.
func verifyData(ctx context.Context, dir string, w io.Writer) (int, error) {
	report, err := verifyReport(ctx, &config{Data: dir, Store: storeEmbedded}, "", false)
	if err != nil {
		return 0, err
	}
	return len(report.Violations), printReport(w, report)
}

func printReport(w io.Writer, report records.Report) error {
	for _, c := range report.Checked {
		mark := "ok  "
		if c.Violations > 0 {
			mark = "FAIL"
		}
		fmt.Fprintf(w, "  %s  %-54s %8d compared\n", mark, c.Invariant, c.Rows)
	}
	for _, note := range report.Notes {
		fmt.Fprintf(w, "  note  %s\n", note)
	}
	for _, v := range report.Violations {
		fmt.Fprintf(w, "  VIOLATION  %s: %s\n", v.Invariant, v.What)
	}
	verdict := "the books are in order"
	if len(report.Violations) > 0 {
		verdict = fmt.Sprintf("%d violations", len(report.Violations))
	}
	_, err := fmt.Fprintf(w, "verify: %s\n", verdict)
	return err
}
