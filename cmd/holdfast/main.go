// Command holdfast is an issuer's ISO 8583 authorization switch and its tools. This package only wires:
// every decision is made in the rooms that it imports.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"

	"github.com/alecthomas/kong"
)

// Exit statuses. A difference or a violation that was looked for and found is 1, like any failure.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

type cli struct {
	Serve    serveCmd    `cmd:"" help:"Run the switch: listen for ISO 8583 and authorize."`
	Demo     demoCmd     `cmd:"" help:"Run a switch with sample cards and play a recorded day of payments to it."`
	Replay   replayCmd   `cmd:"" help:"Play a trace of messages to any listener and show what differs from it."`
	Simulate simulateCmd `cmd:"" help:"Play a payment network to any issuer's host, from a scenario or a prompt."`
	Decode   decodeCmd   `cmd:"" help:"Show what ISO 8583 messages say, card data masked."`
	Dialect  dialectCmd  `cmd:"" help:"List, show and check dialects, or guess that of unknown frames."`
	Verify   verifyCmd   `cmd:"" help:"Check the books of a data folder: every invariant, every violation."`
	Seed     seedCmd     `cmd:"" help:"Put partners, users, balances and cards from a file into a data folder."`
	Explain  explainCmd  `cmd:"" help:"Say why an authorization ended as it did."`
	Bench    benchCmd    `cmd:"" help:"Measure approvals per second and latency with an open-loop load."`
	Flood    floodCmd    `cmd:"" hidden:"" name:"bench-flood"`
	Keys     keysCmd     `cmd:"" help:"List and rotate the keys of a data folder."`
	Migrate  migrateCmd  `cmd:"" help:"Prepare the database of the full mode, or bring it to this build's schema."`
	Version  versionCmd  `cmd:"" help:"Print the version."`
	Partner  partnerCmd  `cmd:"" help:"Enrol partners of the management API, and sign and revoke their certificates."`
	Operator operatorCmd `cmd:"" help:"Make the first operator of the management API."`
}

// env is what a command may touch of the world outside.
type env struct {
	ctx            context.Context
	stdin          io.Reader
	stdout, stderr io.Writer
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(&env{ctx, os.Stdin, os.Stdout, os.Stderr}, os.Args[1:]))
}

// run parses the command line and runs the command. Its result is the exit status.
func run(e *env, args []string) int {
	parser, err := kong.New(&cli{}, kong.Name("holdfast"), kong.UsageOnError(),
		kong.Description("An issuer's ISO 8583 authorization switch. Start with: holdfast demo"),
		kong.Writers(e.stdout, e.stderr), kong.Exit(func(int) { panic(helpShown{}) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}))
	if err != nil {
		panic(err) // the command structs are wrong: a test runs every help page
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	command, err := parse(parser, args)
	switch {
	case err == nil && command == nil:
		return exitOK
	case err != nil:
		return fail(e, usageError{err})
	}
	if err := command.Run(e); err != nil {
		return fail(e, err)
	}
	return exitOK
}

type helpShown struct{}

// parse returns nothing when help was asked for and shown.
func parse(parser *kong.Kong, args []string) (command *kong.Context, err error) {
	defer func() {
		if p := recover(); p != nil {
			if _, ok := p.(helpShown); !ok {
				panic(p)
			}
			command, err = nil, nil
		}
	}()
	return parser.Parse(args)
}

// usageError is a mistake in how the command was called or configured.
type usageError struct{ err error }

func (u usageError) Error() string { return u.err.Error() }
func (u usageError) Unwrap() error { return u.err }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// errFound says that a command did its work and what it looked for is there; it has been printed.
var errFound = errors.New("")

func fail(e *env, err error) int {
	if errors.Is(err, errFound) {
		return exitFailed
	}
	fmt.Fprintf(e.stderr, "holdfast: %v\n", err)
	if u := (usageError{}); errors.As(err, &u) {
		fmt.Fprintln(e.stderr, "See holdfast --help, or holdfast COMMAND --help.")
		return exitUsage
	}
	return exitFailed
}

type versionCmd struct{}

// version is set by the release build.
var version = "dev"

// Run prints the version, the toolchain and the revision that was built.
func (versionCmd) Run(e *env) error {
	revision := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				revision = " " + s.Value[:min(12, len(s.Value))]
			}
		}
	}
	_, err := fmt.Fprintf(e.stdout, "holdfast %s%s %s %s/%s\n", version, revision, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
