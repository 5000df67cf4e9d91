// Package wirelog writes down what a test network saw on its links: every message that it sent and every one that
// reached it, with link and time. The switch has no part in it, so it can be held against the switch's books:
// "approved" means here that the approval arrived.
//
// A log holds what identifies a message and how it was answered, and nothing of a card but its last four digits.
package wirelog

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// Event is what happened on a link.
type Event string

// The events. A link that breaks is closed without notice: then what was sent last may have arrived or not.
const (
	Opened   Event = "opened"
	Sent     Event = "sent"     // handed to the connection next; it may not have arrived
	Received Event = "received" // complete
	Garbled  Event = "garbled"  // bytes that are no message; nothing after them is read on this link
	Closed   Event = "closed"
)

// Record is one line of a log. The texts are elements as on the wire, trimmed by nobody.
type Record struct {
	At    time.Time `json:"at"`
	Link  string    `json:"link"`
	Peer  string    `json:"peer,omitempty"` // as the switch calls the network
	Event Event     `json:"event"`

	MTI         string `json:"mti,omitempty"`
	STAN        string `json:"stan,omitempty"`        // DE 11
	RRN         string `json:"rrn,omitempty"`         // DE 37
	Transmitted string `json:"transmitted,omitempty"` // DE 7
	Acquirer    string `json:"acquirer,omitempty"`    // DE 32
	Terminal    string `json:"terminal,omitempty"`    // DE 41
	Processing  string `json:"processing,omitempty"`  // DE 3
	Amount      string `json:"amount,omitempty"`      // DE 4
	Code        string `json:"code,omitempty"`        // DE 39
	Approval    string `json:"approval,omitempty"`    // DE 38
	Last4       string `json:"last4,omitempty"`
}

// Log collects the records of many links. It is safe for concurrent use.
type Log struct {
	mu  sync.Mutex
	out *bufio.Writer
	err error // of the first write that failed: the log is not to be trusted from there
}

// New makes a log that is written to w, one JSON object a line. Close flushes it.
func New(w io.Writer) *Log { return &Log{out: bufio.NewWriterSize(w, 64<<10)} }

func (l *Log) add(r Record) {
	line, err := json.Marshal(r)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		_, err = l.out.Write(append(line, '\n'))
	}
	if l.err == nil && err != nil {
		l.err = fmt.Errorf("write the wire log: %w", err)
	}
}

// Close flushes and tells whether anything was lost. The writer below stays open.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return errors.Join(l.err, l.out.Flush())
}

// lineMax bounds a line: a record's elements are short.
const lineMax = 16 << 10

// Read calls each for every record of a log, in order. Its error names the line at fault.
func Read(r io.Reader, each func(Record) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, lineMax), lineMax)
	n := 0
	for lines.Scan() {
		n++
		var record Record
		if err := json.Unmarshal(lines.Bytes(), &record); err != nil {
			return fmt.Errorf("wire log: line %d is no record", n)
		}
		if err := each(record); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("wire log: after line %d: %w", n, err)
	}
	return nil
}
