package server

import (
	"sync/atomic"
	"time"
)

// Handler makes a session for each link.
type Handler interface {
	// Open is called once when a link is accepted, on the link's own goroutine, before its first frame. A nil
	// session closes the link.
	Open(l Link) Session
}

// Session is the other end of one link's frames. Frame, Goodbye and Closed are called on the link's reader
// goroutine, one at a time and in the order of a life.
type Session interface {
	// Frame takes one frame. It must not block: no other frame of the link is read meanwhile. Exactly one of the
	// exchange's Reply, MalformedReply, Silent and Malformed is to be called, now or later, from any goroutine.
	Frame(x *Exchange)
	// Goodbye is called once when the server drains: each encoder passed to send makes a frame that is sent before
	// the link closes, such as a sign-off. There may be none.
	Goodbye(send func(Encoder))
	// Closed says that the link is gone. Exchanges may still be completed; their answers are dropped.
	Closed()
}

// Malfunctioner is a Session that can answer for its own faults. Malfunction is called with an exchange whose Frame
// or Encoder has panicked, or whose answer could not be encoded, and completes it before it returns; one left open
// counts as silent. After a fault of an Encoder it is called on the link's writer goroutine, beside Frame, with a new
// exchange that has no body. A second fault of the same exchange is not answered.
type Malfunctioner interface {
	Malfunction(x *Exchange)
}

// Encoder is an answer that is not yet bytes. Append appends the body of one frame to dst and returns the longer
// slice; it must leave the bytes that are there alone. It runs on the link's writer goroutine, so that the cost of
// encoding does not fall on whoever made the answer.
type Encoder = interface {
	Append(dst []byte) ([]byte, error)
}

// Sender is an Encoder that hears when everything that was to be written with it has been handed to the socket. Sent is
// called on the link's writer goroutine, also when the Encoder itself has failed; it must not block.
type Sender interface {
	Encoder
	Sent()
}

// EncoderFunc is a function that is an Encoder.
type EncoderFunc func(dst []byte) ([]byte, error)

// Append calls the function.
func (f EncoderFunc) Append(dst []byte) ([]byte, error) { return f(dst) }

// Exchange is one frame of a peer and the answer that it is owed. It holds one of the link's in-flight slots until it
// is completed.
type Exchange struct {
	link       *link
	header     []byte
	body       []byte
	receivedAt time.Time
	attached   any
	rescued    bool // it answers for a fault already
	done       atomic.Bool
}

// Body is the frame's body. It is valid only until Frame, or the Malfunction that follows a panic of Frame, returns;
// afterwards the bytes belong to another frame.
func (x *Exchange) Body() []byte { return x.body }

// ReceivedAt is when the frame was complete. It carries a monotonic clock reading.
func (x *Exchange) ReceivedAt() time.Time { return x.receivedAt }

// Attach keeps a value of the session's with the exchange, for Malfunction. It is called from Frame, before the
// exchange is handed to another goroutine.
func (x *Exchange) Attach(v any) { x.attached = v }

// Attached is the value kept by Attach, or nil.
func (x *Exchange) Attached() any { return x.attached }

// Reply completes the exchange with an answer. When the link is gone the answer is dropped, and counted. It never
// blocks. Completing an exchange twice is a bug of the caller; the second time is ignored, and counted.
func (x *Exchange) Reply(answer Encoder) {
	if x.complete() {
		x.link.answer(x, answer, false)
	}
}

// MalformedReply is Reply for a frame that was malformed: it is answered, and costs the link a strike.
func (x *Exchange) MalformedReply(answer Encoder) {
	if x.complete() {
		x.link.answer(x, answer, true)
	}
}

// Silent completes the exchange without an answer.
func (x *Exchange) Silent() {
	if x.complete() {
		x.link.noAnswer(false)
	}
}

// Malformed completes the exchange without an answer, and costs the link a strike.
func (x *Exchange) Malformed() {
	if x.complete() {
		x.link.noAnswer(true)
	}
}

// complete says whether the caller is the one that completes the exchange.
func (x *Exchange) complete() bool {
	if x.done.CompareAndSwap(false, true) {
		return true
	}
	x.link.server.count.internalErrors.Add(1)
	return false
}

// abandon completes the exchange if nobody has.
func (x *Exchange) abandon() {
	if x.done.CompareAndSwap(false, true) {
		x.link.server.count.dropped.Add(1)
		x.link.noAnswer(false)
	}
}
