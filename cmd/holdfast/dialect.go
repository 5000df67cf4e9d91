package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"holdfast/switch/guess"
	"holdfast/switch/iso"
)

// dialectCmd is about how peers write ISO 8583.
type dialectCmd struct {
	List  dialectListCmd  `cmd:"" help:"Name the built-in dialects."`
	Show  dialectShowCmd  `cmd:"" help:"Show what a dialect says of every element, or its file."`
	Check dialectCheckCmd `cmd:"" help:"Check a dialect file, and hold sample frames against it."`
	Guess dialectGuessCmd `cmd:"" help:"Rank dialects and framings by how well they explain unknown frames."`
}

type dialectListCmd struct{}

// Run prints a line for each built-in dialect.
func (dialectListCmd) Run(e *env) error {
	table := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	for _, name := range iso.Names() {
		d, err := iso.Builtin(name)
		if err != nil {
			return err
		}
		fmt.Fprintf(table, "%s\t%d\t%s\t%s\n", name, d.Version(), d.Profile().Framing, d.Description())
	}
	return table.Flush()
}

type dialectShowCmd struct {
	Dialect string `arg:"" help:"A built-in dialect or a dialect file." placeholder:"NAME|FILE"`
	File    bool   `help:"Print the file of a built-in dialect, to begin one's own with."`
}

// Run prints the dialect.
func (c *dialectShowCmd) Run(e *env) error {
	if c.File {
		text, err := iso.Source(c.Dialect)
		if err != nil {
			return usageError{err}
		}
		_, err = e.stdout.Write(text)
		return err
	}
	d, err := iso.Open(c.Dialect)
	if err != nil {
		return usageError{err}
	}
	p := d.Profile()
	table := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "%s: %s\n\n", d.Name(), d.Description())
	fmt.Fprintf(table, "edition\t%d\nframing\t%s\n", d.Version(), p.Framing)
	for _, row := range []struct {
		what  string
		place iso.Place
	}{
		{"merchant category", p.Places.MCC}, {"function code", p.Places.Function}, {"reason", p.Places.Reason},
		{"network management code", p.Places.NetworkCode}, {"network's name of the life", p.Places.NetworkTrace},
		{"card verification value", p.Places.CVV2}, {"original amounts", p.Places.OriginalAmounts},
	} {
		fmt.Fprintf(table, "%s\t%s\n", row.what, row.place)
	}
	fmt.Fprintln(table)
	for _, def := range d.Definitions() {
		fmt.Fprintf(table, "%3d\t%s\t%s\n", def.DE, def.Name, def)
	}
	return table.Flush()
}

type dialectCheckCmd struct {
	File    string `arg:"" help:"The dialect file, or the name of a built-in dialect." placeholder:"FILE"`
	Frames  string `help:"Sample frames: hexadecimal digits, one message or stream a line, or a binary capture." placeholder:"FILE"`
	Framing string `help:"The framing of the frames. Without it that of the dialect is tried, and none." placeholder:"NAME"`
}

// Run loads the dialect and reads every frame. It fails when one does not fit.
func (c *dialectCheckCmd) Run(e *env) error {
	d, err := iso.Open(c.File)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "%s: %d elements of ISO 8583:%d, framing %s\n",
		d.Name(), len(d.Definitions())-1, d.Version(), d.Profile().Framing)
	if c.Frames == "" {
		return nil
	}
	data, err := readInput(e, c.Frames)
	if err != nil {
		return err
	}
	bodies, err := c.bodies(d, chunks(data))
	if err != nil {
		return err
	}
	bad := 0
	for i, body := range bodies {
		findings := guess.Check(d, body)
		for _, f := range findings {
			fmt.Fprintf(e.stdout, "frame %d: %s\n", i+1, f)
		}
		if len(findings) > 0 {
			bad++
		}
	}
	fmt.Fprintf(e.stdout, "%d of %d frames fit\n", len(bodies)-bad, len(bodies))
	switch {
	case len(bodies) == 0:
		return fmt.Errorf("check: there is no frame in %s", c.Frames)
	case bad > 0:
		return errFound
	}
	return nil
}

// bodies cuts the frames as the flag says, else as the dialect does, else takes each for a message.
func (c *dialectCheckCmd) bodies(d *iso.Dialect, chunks [][]byte) ([][]byte, error) {
	if c.Framing != "" {
		bodies, err := guess.Cut(c.Framing, chunks)
		if err != nil {
			return nil, usagef("--framing: %v", err)
		}
		return bodies, nil
	}
	if bodies, err := guess.Cut(d.Profile().Framing.String(), chunks); err == nil {
		return bodies, nil
	}
	return chunks, nil
}

type dialectGuessCmd struct {
	File    string   `arg:"" optional:"" default:"-" help:"Frames, as check takes them; - is standard input."`
	Dialect []string `help:"Dialect files to try beside the built-in ones." placeholder:"FILE"`
	Top     int      `help:"How many to print." default:"3"`
	JSON    bool     `name:"json" help:"Print one JSON object a line."`
}

// guessed is one line of the ranking.
type guessed struct {
	Dialect string   `json:"dialect"`
	Framing string   `json:"framing"`
	Score   int      `json:"score"`
	Decoded int      `json:"decoded"`
	Frames  int      `json:"frames"`
	Reasons []string `json:"reasons"`
}

// Run ranks and prints. It fails when no dialect explains a single frame.
func (c *dialectGuessCmd) Run(e *env) error {
	data, err := readInput(e, c.File)
	if err != nil {
		return err
	}
	var dialects []*iso.Dialect
	for _, name := range append(iso.Names(), c.Dialect...) {
		d, err := iso.Open(name)
		if err != nil {
			return usagef("--dialect: %v", err)
		}
		dialects = append(dialects, d)
	}
	ranking := guess.Rank(chunks(data), dialects...)
	if len(ranking) == 0 || ranking[0].Decoded == 0 { // a message may be written in digits alone
		if raw := guess.Rank(bytes.Fields(data), dialects...); len(raw) > 0 && raw[0].Decoded > 0 {
			ranking = raw
		}
	}
	if len(ranking) == 0 {
		return fmt.Errorf("guess: no dialect explains any of it")
	}
	for i, g := range ranking[:min(len(ranking), max(c.Top, 1))] {
		line := guessed{g.Dialect.Name(), g.Framing, g.Score, g.Decoded, g.Frames, g.Reasons}
		if c.JSON {
			if err := json.NewEncoder(e.stdout).Encode(line); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(e.stdout, "%d. %s, framing %s: %d of 1000\n", i+1, line.Dialect, line.Framing, line.Score)
		fmt.Fprintf(e.stdout, "   %s\n", strings.Join(line.Reasons, "\n   "))
	}
	return nil
}

// chunks reads hexadecimal digits a line at a time, and anything else as one stream.
func chunks(data []byte) [][]byte {
	if lines, isHex := hexLines(data); isHex {
		return lines
	}
	return [][]byte{bytes.Clone(data)}
}

// readInput reads a file, or standard input for "-", within the limit of decode.
func readInput(e *env, path string) ([]byte, error) {
	source := e.stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("read input: %w", err)
		}
		defer f.Close() // nothing was written, so closing cannot lose anything
		source = f
	}
	data, err := io.ReadAll(io.LimitReader(source, decodeBytesMax+1))
	if err != nil {
		return nil, fmt.Errorf("read input: %w", err)
	}
	if len(data) > decodeBytesMax {
		return nil, fmt.Errorf("read input: it is longer than %d bytes", decodeBytesMax)
	}
	return data, nil
}
