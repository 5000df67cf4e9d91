package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"holdfast/switch/frame"
	"holdfast/switch/iso"
	"holdfast/switch/replay"
	"holdfast/switch/wirelog"
)

// replayCmd plays a trace to any listener.
type replayCmd struct {
	Trace   string   `help:"The trace to play: see testdata/traces/README.md." required:"" placeholder:"FILE"`
	Addr    []string `help:"Where to connect; LINK= for one link only." required:"" placeholder:"[LINK=]HOST:PORT" sep:"none"`
	Dialect string   `help:"Dialect of all links (default: the trace's, else iso87-ascii)." placeholder:"NAME|FILE"`
	Framing string   `help:"Frame around each message (default: the trace's, else bin2)." placeholder:"NAME"`
	guardFlags
	Rate       float64       `help:"Send at most this many messages a second." placeholder:"N"`
	Repeat     int           `help:"Play the trace so many times." default:"1" placeholder:"N"`
	Fresh      bool          `help:"Renew dates, STANs and RRNs, to play it again and again: the default." xor:"how"`
	AsRecorded bool          `help:"Send the trace unchanged." xor:"how"`
	Timeout    time.Duration `help:"How long to wait for each answer." default:"5s"`
	Wire       string        `help:"Write what was sent and what arrived to this file, for verify --wire." placeholder:"FILE"`
	Peer       string        `help:"What the switch calls this network, for the wire log." default:"network" placeholder:"NAME"`
	JSON       bool          `name:"json" help:"Print the report as one JSON object."`
}

// Run plays the trace; it fails when an answer was not the expected one.
func (c *replayCmd) Run(e *env) error {
	if c.Repeat < 1 || c.Rate < 0 || c.Timeout <= 0 {
		return usagef("replay: --repeat wants 1 or more, --rate 0 or more, --timeout more than 0s")
	}
	f, err := os.Open(c.Trace)
	if err != nil {
		return usageError{fmt.Errorf("replay: %w", err)}
	}
	defer f.Close() // nothing was written, so closing cannot lose anything
	trace, err := replay.Read(f)
	if err != nil {
		return usageError{fmt.Errorf("replay %s: %w", c.Trace, err)}
	}
	targets, err := c.targets(trace)
	if err != nil {
		return err
	}
	stop, err := c.logWire(targets)
	if err != nil {
		return err
	}
	progress := newProgress(e, len(trace.Steps)*c.Repeat, c.JSON)
	report, err := replay.Play(e.ctx, trace, replay.Config{Targets: targets, AsRecorded: c.AsRecorded, Repeat: c.Repeat,
		Rate: c.Rate, Timeout: c.Timeout, Observe: progress.observe})
	progress.end()
	if e := stop(); err == nil {
		err = e
	}
	if c.JSON {
		if e := printReplayJSON(e.stdout, c.Trace, report); err == nil {
			err = e
		}
	} else {
		printReplay(e.stdout, report)
	}
	if err == nil && report.Differing > 0 {
		err = errFound
	}
	return wrapf(err, "replay")
}

// logWire has every link logged, when that is asked for. stop completes the log.
func (c *replayCmd) logWire(targets map[string]replay.Target) (stop func() error, err error) {
	if c.Wire == "" {
		return func() error { return nil }, nil
	}
	f, err := os.OpenFile(c.Wire, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, usageError{fmt.Errorf("replay: %w", err)}
	}
	log := wirelog.New(f)
	for name, t := range targets {
		tap := wirelog.Tap{Log: log, Peer: c.Peer, Dialect: t.Dialect, Format: t.Format}
		t.Wrap = func(conn net.Conn) net.Conn { return tap.Wrap(conn, cmp.Or(name, "link")) }
		targets[name] = t
	}
	return func() error { return errors.Join(log.Close(), f.Close()) }, nil
}

// targets finds out where each link of the trace leads and how it is spoken there.
func (c *replayCmd) targets(trace *replay.Trace) (map[string]replay.Target, error) {
	addresses := map[string]string{}
	for _, a := range c.Addr {
		name, address, named := strings.Cut(a, "=")
		if !named {
			name, address = "", a
		}
		if _, known := trace.Links[name]; named && !known {
			return nil, usagef("--addr: the trace has no link %s", name)
		}
		if _, _, err := net.SplitHostPort(address); err != nil {
			return nil, usagef("--addr: %q is not HOST:PORT", address)
		}
		addresses[name] = address
	}
	secure, err := c.tls()
	if err != nil {
		return nil, err
	}
	targets := map[string]replay.Target{}
	for name, link := range trace.Links {
		address := cmp.Or(addresses[name], addresses[""])
		if address == "" {
			return nil, usagef("--addr: no address for link %s; add %s=HOST:PORT, or one HOST:PORT for all links", name, name)
		}
		t, err := target(address, cmp.Or(c.Dialect, link.Dialect), cmp.Or(c.Framing, link.Framing))
		if err != nil {
			return nil, usageError{fmt.Errorf("link %s: %w", name, err)}
		}
		if secure != nil {
			t.TLS = secure(address)
		}
		if t.MAC, err = c.sign(t.Dialect); err != nil {
			return nil, err
		}
		targets[name] = t
	}
	return targets, nil
}

func target(address, dialectName, framing string) (replay.Target, error) {
	dialect, err := iso.Open(cmp.Or(dialectName, "iso87-ascii"))
	if err != nil {
		return replay.Target{}, err
	}
	format, err := frame.Parse(cmp.Or(framing, "bin2"))
	return replay.Target{Addr: address, Dialect: dialect, Format: format}, err
}

// progress tells on a terminal how far a play is, on one line that is written over.
type progress struct {
	out         io.Writer
	done, steps int
	differing   int
	shownAt     time.Time
}

func newProgress(e *env, steps int, quiet bool) *progress {
	p := &progress{steps: steps}
	if !quiet && isTerminal(e.stdout) {
		p.out = e.stdout
	}
	return p
}

// progressEvery keeps a fast play from writing to the terminal all the time.
const progressEvery = 100 * time.Millisecond

func (p *progress) observe(o *replay.Outcome) {
	p.done++
	p.differing += len(o.Differences)
	if p.out == nil || time.Since(p.shownAt) < progressEvery {
		return
	}
	p.shownAt = time.Now()
	fmt.Fprintf(p.out, "\r%d of %d steps, %d differences", p.done, p.steps, p.differing)
}

func (p *progress) end() {
	if p.out != nil {
		fmt.Fprintf(p.out, "\r%60s\r", "")
	}
}

// isTerminal reports whether a person is likely to read along.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}

func printReplay(w io.Writer, r *replay.Report) {
	printDifferences(w, r)
	l := r.Latency()
	fmt.Fprintf(w, "replay: %d steps, %d sent, %d answered in %s", r.Steps, r.Sent, r.Answered, round(r.Took))
	if r.Strays > 0 {
		fmt.Fprintf(w, ", %d frames that answer nothing", r.Strays)
	}
	fmt.Fprintf(w, "\nlatency: p50 %s, p95 %s, p99 %s, max %s\n", round(l.P50), round(l.P95), round(l.P99), round(l.Max))
	if r.Differing == 0 {
		fmt.Fprintln(w, "every answer was the expected one")
		return
	}
	fmt.Fprintf(w, "%d differences\n", r.Differing)
}

func printDifferences(w io.Writer, r *replay.Report) {
	for _, d := range r.Differences {
		what := fmt.Sprintf("element %d", d.Element)
		switch d.Element {
		case 0:
			what = "message type"
		case replay.WholeAnswer:
			what = "answer"
		}
		fmt.Fprintf(w, "DIFFERENCE  line %d, step %d", d.Line, d.Step)
		for _, s := range slices.DeleteFunc([]string{d.ID, d.Note}, func(s string) bool { return s == "" }) {
			fmt.Fprintf(w, ", %s", s)
		}
		fmt.Fprintf(w, "\n            %s: want %s, got %s\n", what, d.Want, d.Got)
	}
	if more := r.Differing - len(r.Differences); more > 0 {
		fmt.Fprintf(w, "            and %d more\n", more)
	}
}

// round shortens a duration to what can be read.
func round(d time.Duration) time.Duration {
	switch {
	case d > time.Second:
		return d.Round(10 * time.Millisecond)
	case d > time.Millisecond:
		return d.Round(10 * time.Microsecond)
	}
	return d.Round(time.Microsecond)
}

func printReplayJSON(w io.Writer, trace string, r *replay.Report) error {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	l := r.Latency()
	differences := append([]replay.Difference{}, r.Differences...) // none is [], not null
	return json.NewEncoder(w).Encode(map[string]any{
		"trace": trace, "steps": r.Steps, "sent": r.Sent, "answered": r.Answered, "strays": r.Strays,
		"seconds": r.Took.Seconds(), "differing": r.Differing, "differences": differences,
		"latency_ms": map[string]float64{"p50": ms(l.P50), "p95": ms(l.P95), "p99": ms(l.P99), "max": ms(l.Max)},
	})
}
