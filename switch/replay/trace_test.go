package replay_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"holdfast/switch/replay"
)

const testPAN = "4111111111111111"

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	const ok = `{"id":"a","send":{"mti":"0800","11":"000001"},"expect":{"39":"00"}}` + "\n"
	cases := []struct{ name, text, want string }{
		{"nothing", "# only a comment\n\n", "no steps"},
		{"what is not JSON", ok + "{", "line 2: it is not"},
		{"two objects", `{"delay":"1s"} {}`, "line 1: there is more than one"},
		{"a key that is none", `{"sned":{}}`, `unknown field "sned"`},
		{"a number as a value", `{"send":{"mti":"0100","2":` + testPAN + `}}`, "send"},
		{"an element that is none", `{"send":{"mti":"0100","129":"1"}}`, `key "129"`},
		{"a card number as a key", `{"send":{"mti":"0100","` + testPAN + `":"1"}}`, `key "..."`},
		{"element 1", `{"send":{"mti":"0100","1":"1"}}`, `key "1"`},
		{"an element with a zero in front", `{"send":{"mti":"0100","02":"1"}}`, `key "02"`},
		{"no message type", `{"send":{"2":"1"}}`, "send: mti"},
		{"null to send", `{"send":{"mti":"0100","2":null}}`, `key "2": null`},
		{"hex beside an element", `{"send":{"hex":"00","2":"1"}}`, "hex stands alone"},
		{"hex that is none", `{"send":{"hex":"0"}}`, "hex: want pairs"},
		{"an expectation of a number", `{"send":{"mti":"0100"},"expect":5}`, "expect: want"},
		{"an answer to nothing", `{"expect":{"39":"00"}}`, "what was not sent"},
		{"a step that does nothing", `{"note":"x"}`, "does nothing"},
		{"an id that is taken", ok + ok, "line 2: id"},
		{"a reference to a later step", `{"send":{"mti":"0100","38":"@a"}}` + "\n" + ok, "line 1: element 38"},
		{"the same as a later step", `{"send":{"mti":"0100"},"expect":{"same":"a"}}` + "\n" + ok, "no earlier step a"},
		{"an await of what does not hold", ok + `{"await":["a"]}`, "line 2: await"},
		{"hold without an id", `{"hold":true,"send":{"mti":"0100"},"expect":{}}`, "hold"},
		{"hold of silence", `{"id":"x","hold":true,"send":{"mti":"0100"},"expect":"silence"}`, "hold"},
		{"a delay that is none", `{"delay":"soon"}`, "delay"},
		{"a delay without end", `{"delay":"1000h"}`, "delay"},
		{"links after a step", ok + `{"links":{"a":{}}}`, "before the first step"},
		{"links beside a step", `{"links":{"a":{}},"send":{"mti":"0800"}}`, "line of their own"},
		{"a line without end", `{"note":"` + strings.Repeat("x", 300<<10), "longer"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := replay.Read(strings.NewReader(c.text))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want it to say %q", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), testPAN) {
				t.Error("the error holds the card number")
			}
		})
	}
}

// A trace holds card numbers; no formatter may show them, not even of its unexported fields.
func TestATraceDoesNotPrintItself(t *testing.T) {
	t.Parallel()
	trace, err := replay.Read(strings.NewReader(`{"send":{"mti":"0100","2":"` + testPAN + `"},"expect":{"2":"` + testPAN + `"}}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x", "%q"} {
		for _, v := range []any{trace, *trace, trace.Steps, &trace.Steps[0], trace.Steps[0]} {
			out := fmt.Sprintf(verb, v)
			if strings.Contains(out, testPAN) || strings.Contains(out, fmt.Sprintf("%x", testPAN)) {
				t.Errorf("%s of %T shows the card number", verb, v)
			}
		}
	}
}

// FuzzRead holds that a trace that is accepted has steps, names its links, and that an error has a place.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"links":{"a":{"dialect":"iso87-bcd","framing":"nac"}}}` + "\n" + `{"link":"a","send":{"mti":"0800"},"expect":{"39":"00"}}`))
	f.Add([]byte(`{"id":"x","hold":true,"send":{"hex":"3031"},"expect":{"2":null,"38":"*"}}` + "\n" + `{"await":["x"],"send":{"wire":"00"},"expect":"closed"}`))
	f.Add([]byte("# comment\n{\"delay\":\"1ms\"}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		trace, err := replay.Read(bytes.NewReader(text))
		if err != nil {
			if !strings.Contains(err.Error(), "trace") {
				t.Errorf("the error does not say where: %v", err)
			}
			return
		}
		if len(trace.Steps) == 0 {
			t.Error("accepted without steps")
		}
		for _, s := range trace.Steps {
			if _, known := trace.Links[s.Link]; !known && s.Link != "" {
				t.Errorf("line %d: link %q is not among the trace's links", s.Line, s.Link)
			}
		}
	})
}
