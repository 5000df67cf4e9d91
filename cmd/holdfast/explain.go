package main

import (
	"errors"
	"fmt"
	"text/tabwriter"

	"holdfast/authz"
	"holdfast/authz/money"
	"holdfast/store/records"
)

// explainCmd tells the story of one authorization from the journal.
type explainCmd struct {
	bookFlags
	ID int64 `arg:"" help:"The authorization's id, as the demo's table and the log show it."`
}

// Run prints the ordered checks with their inputs and outcome, the balances before and after, and the time of each stage.
func (c *explainCmd) Run(e *env) error {
	cfg, err := c.config()
	if err != nil {
		return err
	}
	r, err := cfg.openBooks(e.ctx)
	if err != nil {
		return err
	}
	var x records.Explanation
	err = r.View(e.ctx, func(q records.Querier) (err error) {
		x, err = records.Explain(e.ctx, q, authz.ID(c.ID))
		return err
	})
	if err := errors.Join(err, r.Close()); err != nil {
		return err
	}
	w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	printFacts(w, &x)
	printSteps(w, x.Steps)
	printFunds(w, &x)
	printStages(w, x.Stages)
	return w.Flush()
}

func printFacts(w *tabwriter.Writer, x *records.Explanation) {
	fmt.Fprintf(w, "authorization\t%d, received %s from %s\n", x.ID, x.ReceivedAt.Format("2006-01-02 15:04:05.000000 UTC"), x.Peer)
	fmt.Fprintf(w, "asked\t%s %s, %s\n", x.Kind, x.Transaction, minor(x.Amount, x.Currency))
	fmt.Fprintf(w, "card\t%s******%s, id %d in version %d\n", x.BIN, x.Last4, x.CardID, x.CardVersion)
	fmt.Fprintf(w, "trace\tSTAN %s, RRN %s, terminal %s, merchant %s, MCC %s\n", x.STAN, x.RRN, x.Terminal, x.Merchant, x.MCC)
	if x.Acceptor != "" {
		fmt.Fprintf(w, "merchant\t%s\n", x.Acceptor)
	}
	fmt.Fprintf(w, "decision\t%s", x.Reason)
	if x.ApprovalCode != "" {
		fmt.Fprintf(w, ", approval code %s", x.ApprovalCode)
	}
	if x.Answered != x.Reason {
		fmt.Fprintf(w, "; a repeat is answered %s", x.Answered)
	}
	fmt.Fprintf(w, "\nstate\t%s\n", x.State)
	if x.Original != 0 {
		fmt.Fprintf(w, "original\t%d, of which %s went back\n", x.Original, minor(x.Given, x.BalanceCurrency))
	}
}

func printSteps(w *tabwriter.Writer, steps []authz.Step) {
	for i, s := range steps {
		mark := "FAILED"
		switch {
		case s.Skipped:
			mark = "not reached"
		case s.Passed:
			mark = "passed"
		}
		fmt.Fprintf(w, "check %d\t%s: %s", i+1, s.Check, mark)
		before := " ("
		for _, in := range s.Inputs {
			fmt.Fprintf(w, "%s%s %s", before, in.Name, in.Value)
			before = ", "
		}
		if len(s.Inputs) > 0 {
			fmt.Fprint(w, ")")
		}
		fmt.Fprintln(w)
	}
}

func printFunds(w *tabwriter.Writer, x *records.Explanation) {
	if x.UserKnown {
		fmt.Fprintf(w, "balance %d\t%s available before, %s after\n", x.Balance,
			minor(x.UserBefore, x.BalanceCurrency), minor(x.UserBefore-x.Placed, x.BalanceCurrency))
	}
	if x.DepositKnown {
		fmt.Fprintf(w, "deposit %d\t%s available before, %s after\n", x.Deposit,
			minor(x.DepositBefore, x.BalanceCurrency), minor(x.DepositBefore-x.Placed, x.BalanceCurrency))
	}
	if x.Placed > 0 {
		fmt.Fprintf(w, "hold\t%s placed, %s of it stands\n", minor(x.Placed, x.BalanceCurrency), minor(x.Held, x.BalanceCurrency))
	}
}

// printStages prints how long the request spent in each stage: nothing of a row that does not say.
func printStages(w *tabwriter.Writer, s authz.Stages) {
	if !s.Known() {
		return
	}
	fmt.Fprintf(w, "time\t%s until the commit of its row began", s.Total())
	if n := s.Rounds(); n > 1 {
		fmt.Fprintf(w, ", decided %d times", n)
	}
	fmt.Fprintln(w)
	for stage := range authz.StageCount {
		fmt.Fprintf(w, "  %s\t%s\n", stage, s.Of(stage))
	}
}

// minor writes an amount of a currency by number.
func minor(amount, currency int64) string {
	c, err := money.ByNumeric(fmt.Sprintf("%03d", currency))
	if err != nil {
		return fmt.Sprint(amount)
	}
	return money.Amount{Minor: amount, Currency: c}.String()
}
