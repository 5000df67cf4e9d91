package replay

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// sendKind is the form in which a step has what it sends.
type sendKind uint8

const (
	sendNothing sendKind = iota
	sendMessage          // a message type and elements
	sendBody             // the bytes of one message, which may be none
	sendWire             // bytes for the socket, length and all
)

// payload is what a step sends. The content is behind functions, of which fmt shows nothing.
type payload struct {
	kind     sendKind
	mti      string
	elements func() map[int]string
	bytes    func() []byte
}

func (p *payload) values() map[int]string {
	if p.elements == nil {
		return nil
	}
	return p.elements()
}

// expectKind is what a step waits for.
type expectKind uint8

const (
	expectNothing expectKind = iota
	expectAnswer
	expectSilence
	expectClosed
)

// expectation is what the answer must be. A message type that is empty may be any.
type expectation struct {
	kind     expectKind
	mti      string
	same     string // the id of a step with the same answer
	absent   []int
	elements func() map[int]string
}

func (e *expectation) values() map[int]string {
	if e.elements == nil {
		return nil
	}
	return e.elements()
}

// present is the value of an element that must be there, whatever it holds.
const present = "*"

// reference reads a value that stands for the same element of an earlier answer.
func reference(v string) (id string, ok bool) {
	if strings.HasPrefix(v, "@@") {
		return "", false
	}
	return strings.CutPrefix(v, "@")
}

// literal undoes the doubling by which a value may begin with a character that means something.
func literal(v string) string {
	if strings.HasPrefix(v, "@@") || v == "**" {
		return v[1:]
	}
	return v
}

var errMTI = errors.New("mti: want four digits")

func checkMTI(mti string) error {
	if len(mti) != 4 || strings.Trim(mti, "0123456789") != "" {
		return errMTI
	}
	return nil
}

func parseElement(key string) (int, error) {
	de, err := strconv.Atoi(key)
	if err != nil || de < 2 || de > 128 || strconv.Itoa(de) != key {
		return 0, fmt.Errorf("key %q: want mti or the number of an element, 2 to 128", shorten(key))
	}
	return de, nil
}

// shorten keeps a key that is none, and may be anything, out of an error.
func shorten(key string) string {
	if len(key) > 8 {
		return "..."
	}
	return key
}

func parsePayload(fields map[string]*string) (payload, error) {
	if fields == nil {
		return payload{}, nil
	}
	if len(fields) == 1 {
		for key, kind := range map[string]sendKind{"hex": sendBody, "wire": sendWire} {
			if digits, ok := fields[key]; ok {
				return parseBytes(key, kind, digits)
			}
		}
	}
	p := payload{kind: sendMessage}
	elements := make(map[int]string, len(fields))
	for key, v := range fields {
		switch {
		case v == nil:
			return payload{}, fmt.Errorf("key %q: null cannot be sent", shorten(key))
		case key == "mti":
			p.mti = *v
		case key == "hex" || key == "wire":
			return payload{}, fmt.Errorf("%s stands alone", key)
		default:
			de, err := parseElement(key)
			if err != nil {
				return payload{}, err
			}
			elements[de] = *v
		}
	}
	p.elements = func() map[int]string { return elements }
	return p, checkMTI(p.mti)
}

func parseBytes(key string, kind sendKind, digits *string) (payload, error) {
	if digits == nil {
		return payload{}, fmt.Errorf("%s: null cannot be sent", key)
	}
	raw, err := hex.DecodeString(strings.Join(strings.Fields(*digits), ""))
	if err != nil || len(raw) == 0 {
		return payload{}, fmt.Errorf("%s: want pairs of hexadecimal digits", key)
	}
	return payload{kind: kind, bytes: func() []byte { return raw }}, nil
}

func parseExpectation(raw json.RawMessage) (expectation, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || string(raw) == "null" {
		return expectation{}, nil
	}
	switch string(raw) {
	case `"silence"`:
		return expectation{kind: expectSilence}, nil
	case `"closed"`:
		return expectation{kind: expectClosed}, nil
	}
	var fields map[string]*string
	if json.Unmarshal(raw, &fields) != nil {
		return expectation{}, errors.New(`want "silence", "closed" or an object of texts and nulls`)
	}
	e := expectation{kind: expectAnswer}
	elements := make(map[int]string, len(fields))
	for key, v := range fields {
		if key == "mti" || key == "same" {
			if v == nil || *v == "" {
				return expectation{}, fmt.Errorf("%s: want a text", key)
			}
			if key == "same" {
				e.same = *v
			} else if e.mti = *v; checkMTI(*v) != nil {
				return expectation{}, errMTI
			}
			continue
		}
		de, err := parseElement(key)
		if err != nil {
			return expectation{}, err
		}
		if v == nil {
			e.absent = append(e.absent, de)
		} else {
			elements[de] = *v
		}
	}
	e.elements = func() map[int]string { return elements }
	return e, nil
}
