// Package guess finds out how unknown frames are written: it tries every framing, header and dialect that it knows and
// ranks them by how well they explain all of the frames.
//
// Two things count. A dialect that reads every byte of a frame explains it; one that stops at a fault explains what is
// in front of it. And what was read must make sense: card numbers with their check digit, dates and currencies that
// exist, text that is made of letters. Reasons are counts and element numbers, never content.
package guess

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"holdfast/switch/frame"
	"holdfast/switch/iso"
)

// Guess is one way to read the frames.
type Guess struct {
	Dialect *iso.Dialect
	// Framing is what stands around the messages, as frame.Parse reads it; "none" when there is nothing.
	Framing string
	// Score is 0 to 1000, in thousandths of a full explanation.
	Score int
	// Frames is how many there are this way, Decoded how many of them the dialect reads to the last byte.
	Frames, Decoded int
	// Reasons say why, in words.
	Reasons []string
}

// Limits: what is beyond them is not looked at.
const (
	framesMax      = 64 // a pattern that holds for so many holds
	headerBytesMax = 32 // of a header that we do not know
)

// Rank reads the chunks, each of which is one message or a stream of frames, in every way and ranks those that explain
// anything, the best first. Without dialects it tries the built-in ones.
func Rank(chunks [][]byte, dialects ...*iso.Dialect) []Guess {
	if len(dialects) == 0 {
		for _, name := range iso.Names() {
			if d, err := iso.Builtin(name); err == nil {
				dialects = append(dialects, d)
			}
		}
	}
	return rank(cuts(chunks), dialects)
}

// Message ranks the dialects by how well they explain one message that has nothing around it.
func Message(raw []byte, dialects ...*iso.Dialect) []Guess {
	return rank([]cut{{framing: "none", bodies: [][]byte{raw}, whole: true}}, dialects)
}

// rank keeps the best way of each dialect. Of equals the plain dialects come first: those of networks and hosts read
// what a plain one reads, and suppose more. Of two plain ones it is the one that was given first.
func rank(cuts []cut, dialects []*iso.Dialect) []Guess {
	var out []Guess
	for _, d := range dialects {
		var best Guess
		for _, c := range cuts {
			if g := explain(d, c); g.Score > best.Score {
				best = g
			}
		}
		if best.Score > 0 {
			out = append(out, best)
		}
	}
	slices.SortStableFunc(out, func(a, b Guess) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(like(a.Dialect), like(b.Dialect)))
	})
	return out
}

// like is 1 for a dialect in the likeness of a network or a host, by its name, and 0 for a plain one.
func like(d *iso.Dialect) int {
	if strings.HasPrefix(d.Name(), "iso") {
		return 0
	}
	return 1
}

// cut is the frames as one framing sees them.
type cut struct {
	framing string
	bodies  [][]byte
	typed   bool // the header says of itself what it is
	whole   bool // no byte was left over
	opaque  bool // the header is bytes that we know nothing of
	idle    bool // some frames are empty
}

// lengths are the kinds of length in front of a frame, the usual ones first.
var lengths = []string{
	"bin2", "bin2+incl", "vmlh", "ascii4", "bcd2", "bin4", "bin3", "hex4", "bin2le", "ascii4+incl", "bcd2+incl", "bin4+incl",
	"bin2+etx", "bin2+etx-free", "ascii5", "ascii6",
}

// headers are those that can be told from what they say of themselves.
var headers = []string{"+tpdu", "+cup", "+base1", "+base24"}

// cuts is every way to cut the chunks into frames that leaves nothing over, but for a frame that the end of a capture
// cut off.
func cuts(chunks [][]byte) []cut {
	none := cut{framing: "none", bodies: limited(chunks), whole: true}
	out := withHeaders([]cut{none}, none, "")
	for _, length := range lengths {
		format, err := frame.Parse(length)
		if err != nil {
			panic("guess: internal error: " + err.Error())
		}
		if c, ok := cutBy(format, chunks); ok {
			out = withHeaders(append(out, c), c, length)
		}
	}
	return out
}

func limited(bodies [][]byte) [][]byte { return bodies[:min(len(bodies), framesMax)] }

// cutBy cuts every chunk by the length in front.
func cutBy(format frame.Format, chunks [][]byte) (cut, bool) {
	c := cut{framing: format.String(), whole: true}
	for _, chunk := range chunks {
		limits := frame.Limits{FrameBytesMin: 1, FrameBytesMax: format.BodyBytesMax()}
		r := frame.NewReader(bytes.NewReader(chunk), format, limits)
		read := 0
		for {
			_, body, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if errors.Is(err, frame.ErrTruncated) && read > 0 {
				c.whole = false
				break
			}
			if err != nil {
				return cut{}, false
			}
			if body == nil {
				c.idle = true
				continue
			}
			read++
			c.bodies = append(c.bodies, bytes.Clone(body))
		}
	}
	c.bodies = limited(c.bodies)
	return c, len(c.bodies) > 0
}

// withHeaders adds the ways in which the frames of a cut may begin with a header.
func withHeaders(out []cut, c cut, length string) []cut {
	named := func(header string) string {
		if length == "" {
			return "none" + header
		}
		return length + header
	}
	for _, header := range headers {
		format, err := frame.Parse("bin2" + header)
		if err != nil {
			panic("guess: internal error: " + err.Error())
		}
		n := format.HeaderBytes()
		fits := !slices.ContainsFunc(c.bodies, func(b []byte) bool { return len(b) <= n || !format.Plausible(b[:n]) })
		if fits {
			with := c
			with.framing, with.bodies, with.typed = named(header), behind(c.bodies, n), true
			out = append(out, with)
		}
	}
	for n := 1; n <= headerBytesMax; n++ {
		if !slices.ContainsFunc(c.bodies, func(b []byte) bool { return len(b) <= n }) {
			with := c
			with.framing, with.bodies, with.opaque = fmt.Sprintf("%s+hdr=%d", named(""), n), behind(c.bodies, n), true
			out = append(out, with)
		}
	}
	return out
}

func behind(bodies [][]byte, n int) [][]byte {
	out := make([][]byte, len(bodies))
	for i, b := range bodies {
		out[i] = b[n:]
	}
	return out
}
