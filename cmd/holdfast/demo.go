package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"holdfast/store/records"
	"holdfast/switch/replay"
	"holdfast/testdata/traces"
	"holdfast/testdata/worlds"
)

// processStart is as near to the start of the process as the program itself can tell.
var processStart = time.Now()

// demoCmd runs a switch in this process and plays a day of payments to it over TCP.
type demoCmd struct {
	Exit  bool   `help:"End after the day: status 0 only if every answer was the expected one and the books are in order."`
	Data  string `help:"Keep the data in this folder (default: a temporary one, removed at the end)." placeholder:"DIR"`
	Port  int    `help:"The first of three ports; taken ones are passed over, 0 lets the system choose." default:"8583" placeholder:"PORT"`
	Trace string `help:"Play this trace instead of the day; its links are those of testdata/traces/day.jsonl." placeholder:"FILE"`
}

// demoLinks are the links of the day and the listener that each leads to.
var demoLinks = map[string]string{"pos": "ascii", "atm": "ascii", "noise": "ascii", "shop": "binbmp", "bcd": "bcd"}

// demoListeners are opened on neighbouring ports, in this order.
var demoListeners = []listenerConfig{
	{Name: "ascii", Framing: "bin2", Settings: peerSettings{Dialect: "iso87-ascii", RequireSignOn: true, FileActions: true}},
	{Name: "binbmp", Framing: "bin2", Settings: peerSettings{Dialect: "iso87-ascii-binbmp", RequireSignOn: true, FileActions: true}},
	{Name: "bcd", Framing: "bin2+tpdu", Settings: peerSettings{Dialect: "iso87-bcd", RequireSignOn: true, FileActions: true}},
}

// demo is a run of the demo.
type demo struct {
	env     *env
	dir     string
	node    *node
	targets map[string]replay.Target // by listener
	trace   *replay.Trace
	table   *demoTable
}

// Run shows the demo.
func (c *demoCmd) Run(e *env) (err error) {
	if c.Port < 0 || c.Port > 65535 {
		return usagef("--port: want 0 to 65535")
	}
	d := &demo{env: e, dir: c.Data, targets: map[string]replay.Target{}}
	if d.trace, err = c.readTrace(); err != nil {
		return err
	}
	if d.dir == "" {
		if d.dir, err = os.MkdirTemp("", "holdfast-demo-"); err != nil {
			return fmt.Errorf("demo: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(d.dir)) }()
	}
	if err := d.open(c.Port); err != nil {
		return err
	}
	serving, stop := context.WithCancel(e.ctx)
	defer stop()
	var wg sync.WaitGroup
	var served error
	wg.Go(func() {
		served = d.node.serve(serving)
		stop() // whatever plays has nobody to play to
	})
	good, err := d.show(serving)
	if err == nil && !c.Exit {
		d.invite()
		<-serving.Done()
	}
	stop()
	wg.Wait()
	if err == nil && c.Exit && !good {
		err = errFound
	}
	return errors.Join(err, served)
}

func (c *demoCmd) readTrace() (*replay.Trace, error) {
	var source io.Reader = bytes.NewReader(traces.Day)
	if c.Trace != "" {
		f, err := os.Open(c.Trace)
		if err != nil {
			return nil, usageError{fmt.Errorf("demo: %w", err)}
		}
		defer f.Close() // nothing was written, so closing cannot lose anything
		source = f
	}
	t, err := replay.Read(source)
	if err != nil {
		return nil, usageError{fmt.Errorf("demo: %w", err)}
	}
	for name := range t.Links {
		if demoLinks[name] == "" {
			return nil, usagef("demo: the trace has a link %s, which the day has not", name)
		}
	}
	return t, nil
}

// open starts the switch: its data, its records, its listeners. What is open when it fails is closed.
func (d *demo) open(port int) error {
	log := slog.New(slog.NewTextHandler(d.env.stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	if err := demoKeys(d.dir); err != nil {
		return err
	}
	n, err := openNode(d.dir, log)
	if err != nil {
		return err
	}
	d.node = n
	if err = d.seed(); err == nil {
		err = demoExchange(d.env.ctx, d.node.store, d.node.keys)
	}
	if err == nil {
		err = d.listen(port)
	}
	if err != nil {
		for _, ln := range n.listeners {
			err = errors.Join(err, ln.Close())
		}
		return errors.Join(err, n.close())
	}
	fmt.Fprintf(d.env.stdout, "Holdfast demo: a switch on loopback, its data in %s\n", d.dir)
	for i, ln := range n.listeners {
		fmt.Fprintf(d.env.stdout, "  %-15s  %s in %s frames\n", ln.Addr(), demoListeners[i].Settings.Dialect, demoListeners[i].Framing)
	}
	return nil
}

// seed makes the demo's world, or takes a folder that has it from an earlier run.
func (d *demo) seed() error {
	ctx := d.env.ctx
	w, err := parseWorld(worlds.Demo)
	if err != nil {
		return fmt.Errorf("world of the demo: %w", err)
	}
	err = d.node.store.Update(ctx, func(q records.Querier) error {
		_, err := seedWorld(ctx, q, d.node.keys, w, time.Now())
		return err
	})
	if errors.Is(err, records.ErrExists) {
		fmt.Fprintf(d.env.stdout, "The folder has the demo's records already; their balances go on from where they were.\n")
		err = nil
	}
	if err != nil {
		return fmt.Errorf("seed the demo: %w", err)
	}
	if d.table, err = newDemoTable(ctx, d.node.store); err != nil {
		return err
	}
	return d.node.route(ctx)
}

// portsTried is how many ports are looked at for one listener.
const portsTried = 100

func (d *demo) listen(port int) error {
	for _, l := range demoListeners {
		s, err := l.setup(nil)
		if err != nil {
			return err
		}
		for range portsTried {
			s.address = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
			err = d.node.listen([]listenerSetup{s})
			if port != 0 {
				port++
			}
			if !errors.Is(err, syscall.EADDRINUSE) || port > 65535 {
				break
			}
		}
		if err != nil {
			return err
		}
		address := d.node.listeners[len(d.node.listeners)-1].Addr().String()
		if d.targets[l.Name], err = target(address, l.Settings.Dialect, l.Framing); err != nil {
			return err
		}
	}
	return nil
}

// show plays the day and prints what came of it; good means that everything was as it must be.
func (d *demo) show(ctx context.Context) (good bool, err error) {
	out := d.env.stdout
	targets := map[string]replay.Target{}
	for name := range d.trace.Links {
		targets[name] = d.targets[demoLinks[name]]
	}
	fmt.Fprintf(out, "\nPlaying %d steps of a day over TCP  ", len(d.trace.Steps))
	report, err := replay.Play(ctx, d.trace, replay.Config{Targets: targets, Observe: func(o *replay.Outcome) {
		mark := "."
		if len(o.Differences) > 0 {
			mark = "!"
		}
		fmt.Fprint(out, mark)
		d.table.observe(ctx, o)
	}})
	fmt.Fprintln(out)
	if err = errors.Join(err, d.table.err); err != nil {
		return false, fmt.Errorf("demo: %w", err)
	}
	if !d.table.firstApproval.IsZero() {
		since := d.table.firstApproval.Sub(processStart)
		fmt.Fprintf(out, "The first approval came %d ms after the program's start.\n", since.Milliseconds())
	}
	d.table.print(out, isTerminal(out))
	if err := printBalances(ctx, out, d.node.store); err != nil {
		return false, fmt.Errorf("demo: %w", err)
	}
	fmt.Fprintf(out, "\nholdfast verify\n")
	violations, err := verifyData(ctx, d.dir, out)
	if err != nil {
		return false, fmt.Errorf("demo: %w", err)
	}
	fmt.Fprintln(out)
	printDifferences(out, report)
	l := report.Latency()
	fmt.Fprintf(out, "%d messages, %d answers (p50 %s, max %s), %d differences from the expected answers, %d violations\n",
		report.Sent, report.Answered, round(l.P50), round(l.Max), report.Differing, violations)
	return report.Differing == 0 && violations == 0, nil
}

// invite prints what to try next, ready to be copied.
func (d *demo) invite() {
	program := "holdfast"
	if path, err := os.Executable(); err == nil {
		program = path
		if wd, err := os.Getwd(); err == nil {
			if rel, err := filepath.Rel(wd, path); err == nil && len(rel) < len(path) {
				program = "." + string(filepath.Separator) + rel
			}
		}
	}
	ascii, binbmp, bcd := d.targets["ascii"].Addr, d.targets["binbmp"].Addr, d.targets["bcd"].Addr
	out := d.env.stdout
	fmt.Fprintf(out, "\nThe switch stays up until you press Ctrl-C. Try in another terminal:\n\n")
	fmt.Fprintf(out, "  # the same day again, and any other trace\n  %s replay --trace testdata/traces/day.jsonl \\\n"+
		"    --addr %s --addr shop=%s --addr bcd=%s\n\n", program, ascii, binbmp, bcd)
	if id := d.table.declined; id != 0 {
		fmt.Fprintf(out, "  # why a payment was declined\n  %s explain %d --data %s\n\n", program, id, d.dir)
	}
	fmt.Fprintf(out, "  # a payment network to play with, and its scenarios\n  %s simulate --addr %s\n"+
		"  %[1]s simulate --addr %[2]s --scenario all\n\n", program, ascii)
	fmt.Fprintf(out, "  # what a message says\n  %s decode %s\n\n", program, echoHex)
	fmt.Fprintf(out, "  # the books, while the switch runs\n  %s verify --data %s\n", program, d.dir)
}

// echoHex is an echo request in ASCII, for the reader to decode.
const echoHex = "30383030383232303030303030303030303030303034303030303030303030303030303030313135303830363537303030313031333031"
