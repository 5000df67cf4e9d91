package client

import (
	"errors"
	"strings"
	"sync"

	"github.com/moov-io/iso8583"
)

// errUnmatched keeps the library from taking a message for an answer.
var errUnmatched = errors.New("message answers no pending request")

// stage is how far a pending request has come.
type stage uint8

const (
	queued   stage = iota // given to the library, which has not registered it yet
	sent                  // registered with the library
	answered              // its answer has come and is on its way to the caller
	stages
)

// matcher knows the requests that wait for an answer. It is the library's request ID generator.
type matcher struct {
	ownTime bool // the peer answers with a DE 7 of its own

	mu sync.Mutex

	closed  bool // the session is being closed; kept here because the read deadline needs the same lock
	ended   bool // no more requests are taken
	pending map[string]stage
	count   [stages]int // of pending, by stage
	changed sync.Cond   // count has changed
}

func newMatcher(ownTime bool) *matcher {
	m := &matcher{ownTime: ownTime, pending: make(map[string]stage)}
	m.changed.L = &m.mu
	return m
}

// isRequest says whether a message of the type has an answer: its third digit is even, as in a request, an
// advice, a notification or an instruction.
func isRequest(mti string) bool {
	return len(mti) == 4 && mti[2] >= '0' && mti[2] <= '7' && mti[2]%2 == 0
}

// add registers a request.
func (m *matcher) add(request *iso8583.Message) (id string, err error) {
	id = m.identities(request)[0]
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ended {
		return "", ErrClosed
	}
	if _, exists := m.pending[id]; exists {
		return "", ErrInFlight
	}
	m.pending[id] = queued
	m.count[queued]++
	return id, nil
}

// move brings a request from one stage to the next; it says whether the request was there. The caller holds mu.
func (m *matcher) move(id string, from, to stage) bool {
	if at, ok := m.pending[id]; !ok || at != from {
		return false
	}
	m.pending[id] = to
	m.count[from]--
	m.count[to]++
	m.changed.Broadcast()
	return true
}

// written says that the library is about to write the message, and so has registered it if it is a request.
func (m *matcher) written(message *iso8583.Message) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.move(m.identities(message)[0], queued, sent)
}

func (m *matcher) remove(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.count[m.pending[id]]--
	delete(m.pending, id)
	m.changed.Broadcast()
}

// settle is called before the library learns that the connection has failed. It takes no more requests, and waits
// until no answer is on its way: the library holds a lock while it tells pending calls of the failure, and would wait
// for ever for one that has its answer and waits for that lock. The reading side waits for queued requests as well,
// since the library tells only those that it has registered, and leaves the others to their time-out.
func (m *matcher) settle(reading bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ended = true
	for m.count[answered] > 0 || reading && m.count[queued] > 0 {
		m.changed.Wait()
	}
}

// take says whether the message answers a request that has no answer yet, and marks it as answered.
func (m *matcher) take(message *iso8583.Message) bool {
	mti, err := message.GetMTI()
	if err != nil || isRequest(mti) {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	id, ok := m.find(message)
	return ok && m.move(id, sent, answered)
}

// GenerateRequestID gives a request its identity, and an answer that of the request it belongs to.
func (m *matcher) GenerateRequestID(message *iso8583.Message) (string, error) {
	mti, err := message.GetMTI()
	if err != nil {
		return "", errUnmatched
	}
	if isRequest(mti) {
		return m.identities(message)[0], nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if id, ok := m.find(message); ok {
		return id, nil
	}
	return "", errUnmatched
}

// find looks for the request of an answer. The caller holds mu.
func (m *matcher) find(answer *iso8583.Message) (string, bool) {
	for _, id := range m.identities(answer) {
		if _, ok := m.pending[id]; ok {
			return id, true
		}
	}
	return "", false
}

// identities lists the keys under which a message may be known, the most specific first: a request is known under the
// first alone.
func (m *matcher) identities(message *iso8583.Message) []string {
	text := func(de int) string {
		s, err := message.GetString(de)
		if err != nil {
			return "" // absent, or not in the dialect: nothing to tell messages apart by
		}
		return strings.TrimRight(s, " ")
	}
	mti, err := message.GetMTI()
	if err != nil || len(mti) != 4 {
		mti = "0000"
	}
	// A request and its answer differ in the last bit of the function, and repeats in the last digit of the type.
	transmitted := text(7)
	if m.ownTime {
		transmitted = ""
	}
	base := strings.Join([]string{mti[:2] + string(mti[2]&^1), text(11), transmitted, text(32)}, "|")
	var ids []string
	if rrn := text(37); rrn != "" {
		ids = append(ids, base+"|37|"+rrn)
	}
	if terminal := text(41); terminal != "" {
		ids = append(ids, base+"|41|"+terminal)
	}
	return append(ids, base)
}
