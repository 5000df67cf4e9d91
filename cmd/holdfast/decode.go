package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"holdfast/switch/frame"
	"holdfast/switch/guess"
	"holdfast/switch/iso"
)

// decodeCmd shows what messages say, with card data masked. It reads them from its arguments, from a file or
// from standard input; in hexadecimal digits, one message a line, or raw.
type decodeCmd struct {
	Dialect string   `help:"A built-in dialect or a dialect file. Without it the built-in ones are tried." placeholder:"NAME|FILE"`
	Framing string   `help:"The frame around each message, as in bin2 or ascii4+hdr=12; none by default." placeholder:"NAME"`
	File    string   `help:"Read the messages from this file." placeholder:"FILE"`
	Raw     bool     `help:"The input is raw bytes, even if it looks like hexadecimal digits."`
	JSON    bool     `name:"json" help:"Print one JSON object a line."`
	Hex     []string `arg:"" optional:"" help:"Messages in hexadecimal digits, one an argument."`
}

// decodeBytesMax bounds what is read at once.
const decodeBytesMax = 16 << 20

// decoded is one message with everything that is printed of it.
type decoded struct {
	Message  int           `json:"message"`
	Dialect  string        `json:"dialect"`
	Bytes    int           `json:"bytes"`
	Elements []iso.Element `json:"elements"`
	Fault    string        `json:"error,omitempty"`
}

// Run decodes and prints every message. It fails when there is none, and when one of them has a fault.
func (c *decodeCmd) Run(e *env) error {
	dialects, format, err := c.options()
	if err != nil {
		return err
	}
	inputs, err := c.inputs(e)
	if err != nil {
		return err
	}
	count, faults := 0, 0
	for _, input := range inputs {
		messages, err := c.read(input, dialects, format)
		if err != nil {
			return err
		}
		for _, m := range messages {
			count++
			m.Message = count
			if m.Fault != "" {
				faults++
			}
			if err := c.print(e.stdout, m); err != nil {
				return fmt.Errorf("print message: %w", err)
			}
		}
	}
	switch {
	case count == 0:
		return errors.New("decode: there is no message in the input")
	case faults > 0:
		return fmt.Errorf("decode: %d of %d messages cannot be decoded", faults, count)
	}
	return nil
}

// options opens the dialects to try and the framing, which is nil when there is none.
func (c *decodeCmd) options() ([]*iso.Dialect, *frame.Format, error) {
	if c.File != "" && len(c.Hex) > 0 {
		return nil, nil, usagef("decode takes messages as arguments or from --file, not both")
	}
	var format *frame.Format
	if c.Framing != "" {
		f, err := frame.Parse(c.Framing)
		if err != nil {
			return nil, nil, usagef("--framing: %v", err)
		}
		format = &f
	}
	names := iso.Names()
	if c.Dialect != "" {
		names = []string{c.Dialect}
	}
	var dialects []*iso.Dialect
	for _, name := range names {
		d, err := iso.Open(name)
		if err != nil {
			return nil, nil, usagef("--dialect: %v", err)
		}
		dialects = append(dialects, d)
	}
	return dialects, format, nil
}

// inputs reads the arguments, the file or standard input; each argument is an input of its own.
func (c *decodeCmd) inputs(e *env) ([][]byte, error) {
	if len(c.Hex) > 0 {
		inputs := make([][]byte, len(c.Hex))
		for i, arg := range c.Hex {
			inputs[i] = []byte(arg)
		}
		return inputs, nil
	}
	path := c.File
	if path == "" {
		path = "-"
	}
	data, err := readInput(e, path)
	return [][]byte{data}, err
}

// read takes the input as hexadecimal digits when it is made of them, and as raw bytes otherwise. A raw ASCII
// message may be made of digits alone, so digits that make no message are tried as raw bytes too.
func (c *decodeCmd) read(input []byte, dialects []*iso.Dialect, format *frame.Format) ([]decoded, error) {
	lines, isHex := hexLines(input)
	if c.Raw || !isHex {
		if !c.Raw && format == nil {
			input = bytes.TrimRight(input, "\r\n") // what an editor or echo put behind a message of text
		}
		return decodeAll([][]byte{input}, dialects, format)
	}
	asHex, err := decodeAll(lines, dialects, format)
	if err == nil && (len(asHex) == 0 || asHex[0].Fault == "") {
		return asHex, nil
	}
	asRaw, rawErr := decodeAll(bytes.Fields(input), dialects, format)
	if rawErr == nil && len(asRaw) > 0 && asRaw[0].Fault == "" {
		return asRaw, nil
	}
	return asHex, err
}

// hexLines reads one message a line. Blanks between the digits, empty lines and a 0x in front are tolerated.
func hexLines(input []byte) (messages [][]byte, ok bool) {
	for line := range strings.Lines(string(input)) {
		digits := strings.Join(strings.Fields(line), "")
		digits = strings.TrimPrefix(strings.TrimPrefix(digits, "0x"), "0X")
		if digits == "" {
			continue
		}
		message, err := hex.DecodeString(digits)
		if err != nil {
			return nil, false
		}
		messages = append(messages, message)
	}
	return messages, true
}

// decodeAll cuts each stream into its messages, if they are framed, and decodes them.
func decodeAll(streams [][]byte, dialects []*iso.Dialect, format *frame.Format) ([]decoded, error) {
	var out []decoded
	for _, stream := range streams {
		if len(stream) == 0 {
			continue
		}
		if format == nil {
			out = append(out, decodeOne(stream, dialects))
			continue
		}
		// The smallest body is one byte: what is too short for a message is for the dialect to say.
		limits := frame.Limits{FrameBytesMin: 1, FrameBytesMax: format.BodyBytesMax()}
		frames := frame.NewReader(bytes.NewReader(stream), *format, limits)
		for {
			_, body, err := frames.Next()
			if errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return nil, fmt.Errorf("decode: %w", err)
			}
			if body != nil { // a keep-alive has none
				out = append(out, decodeOne(body, dialects))
			}
		}
	}
	return out, nil
}

// decodeOne takes the dialect that explains the message best.
func decodeOne(raw []byte, dialects []*iso.Dialect) decoded {
	d := dialects[0]
	if ranking := guess.Message(raw, dialects...); len(ranking) > 0 {
		d = ranking[0].Dialect
	}
	m, err := d.Decode(raw)
	if err != nil { // a format error carries no content, so it may be shown
		return decoded{Dialect: d.Name(), Bytes: len(raw), Elements: lengths(m), Fault: err.Error()}
	}
	return decoded{Dialect: d.Name(), Bytes: len(raw), Elements: m.Describe()}
}

// lengths lists the elements before a fault without their content: a message read in a wrong dialect may show
// the digits of its card number as any element at all.
func lengths(m *iso.Message) []iso.Element {
	if m == nil {
		return []iso.Element{}
	}
	elements := m.Describe()
	for i := range elements {
		if de := elements[i].DE; de != 0 && elements[i].Part == "" {
			elements[i].Value = fmt.Sprintf("(%d bytes)", len(m.Get(de)))
		}
	}
	return elements
}

// print writes one message: a table, or a line of JSON.
func (c *decodeCmd) print(w io.Writer, m decoded) error {
	if c.JSON {
		return json.NewEncoder(w).Encode(m)
	}
	if _, err := fmt.Fprintf(w, "message %d: %d bytes, dialect %s\n", m.Message, m.Bytes, m.Dialect); err != nil {
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, e := range m.Elements {
		number := fmt.Sprintf("%3d", e.DE)
		if e.Part != "" {
			number += "." + e.Part
		}
		if _, err := fmt.Fprintf(table, "  %s\t%s\t%s\n", number, e.Name, e.Value); err != nil {
			return err
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if m.Fault != "" {
		_, err := fmt.Fprintf(w, "  FAULT  %s\n\n", m.Fault)
		return err
	}
	_, err := fmt.Fprintln(w)
	return err
}
