package gateway

import (
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"holdfast/authz"
	"holdfast/switch/iso"
)

// Session is one link. Frames come one at a time; decisions come whenever they are made.
type Session struct {
	g        *Gateway
	peer     *Peer
	deadline time.Duration
	signedOn atomic.Bool
	admitted atomic.Bool // it was signed on once
	draining atomic.Bool
}

// exchange is one message on its way to its answer.
type exchange struct {
	x       Exchange
	session *Session
	message *iso.Message
	request request
	answer  answer
}

// Frame takes one frame and answers it now or when it is decided. It does not block.
func (s *Session) Frame(x Exchange) {
	m, err := s.peer.Dialect.Decode(x.Body())
	if err != nil {
		s.unreadable(x, m, err)
		return
	}
	e := &exchange{x: x, session: s, message: m}
	x.Attach(e)
	t := mti(m.MTI())
	if !t.valid('0') {
		e.refuse(fmt.Errorf("message type is not one of the dialect's version"))
		return
	}
	switch {
	case !t.answerable():
		x.Silent()
	case t.class() == classNetwork:
		e.manage()
	case s.shutFor(t):
		e.end(authz.PeerSignedOff)
	default:
		e.authorize(t)
	}
}

// shutFor reports whether a message is refused because the link is not signed on or we drain. What has happened
// already is still taken from a peer that had signed on: refusing it would not undo it.
func (s *Session) shutFor(t mti) bool {
	if s.signedOn.Load() && !s.draining.Load() {
		return false
	}
	told := t.class() == classReversal || t.function() == functionAdvice
	return !told || !s.admitted.Load()
}

// authorize types the message and has it decided.
func (e *exchange) authorize(t mti) {
	kind, served := kindOf(t)
	if !served {
		e.end(authz.TransactionUnknown)
		return
	}
	if err := e.request.read(e.message, kind, e.x.ReceivedAt()); err != nil {
		e.misread(err)
		return
	}
	if e.request.odd != nil {
		e.session.g.log.Warn("told something odd", slog.String("peer", e.session.peer.Name),
			slog.String("mti", string(t)), slog.Any("cause", e.request.odd))
	}
	e.request.Peer = e.session.peer.Name
	e.request.Repeat = t.repeat()
	e.request.Deadline = e.x.ReceivedAt().Add(e.session.deadline)
	e.session.g.authorizer.Submit(&e.request.Request, e)
}

func kindOf(t mti) (authz.Kind, bool) {
	switch {
	case t.class() == classAuthorization && t.function() == functionRequest:
		return authz.Authorization, true
	case t.class() == classAuthorization && t.function() == functionAdvice:
		return authz.AuthorizationAdvice, true
	case t.class() == classFinancial && t.function() == functionRequest:
		return authz.Financial, true
	case t.class() == classReversal:
		return authz.Reversal, true
	}
	return 0, false
}

// Decided implements [authz.Waiter].
func (e *exchange) Decided(d *authz.Decision) {
	if d.Cause != nil {
		e.session.g.log.Warn("could not decide", slog.String("peer", e.session.peer.Name),
			slog.Int64("id", int64(d.ID)), slog.String("reason", d.Reason.String()), slog.Any("cause", d.Cause))
	}
	e.answer = answer{request: e.message, decision: *d}
	e.x.Reply(&e.answer)
}

// end answers without a decision of the authorizer.
func (e *exchange) end(r authz.Reason) {
	e.answer = answer{request: e.message, decision: authz.Decision{Reason: r}}
	e.x.Reply(&e.answer)
}

// misread answers a message whose form is good but which says something impossible. It is one acquirer's
// fault, and no reason to cut off the others on the link: it costs no strike.
func (e *exchange) misread(cause error) {
	e.session.logFormat(e.message.MTI(), cause)
	if !e.message.Has(11) {
		e.x.Malformed()
		return
	}
	e.end(authz.FormatError)
}

// refuse answers a message that cannot be read, when what could be read is enough.
func (e *exchange) refuse(cause error) {
	t := mti(e.message.MTI())
	e.session.logFormat(string(t), cause)
	if len(t) != 4 || !t.answerable() || !e.message.Has(11) {
		e.x.Malformed()
		return
	}
	e.answer = answer{request: e.message, decision: authz.Decision{Reason: authz.FormatError}}
	e.x.MalformedReply(&e.answer)
}

// unreadable answers a frame that the dialect cannot read, when what it could read is enough.
func (s *Session) unreadable(x Exchange, m *iso.Message, cause error) {
	if m == nil {
		s.logFormat("", cause)
		x.Malformed()
		return
	}
	(&exchange{x: x, session: s, message: m}).refuse(cause)
}

// logFormat names the element at fault, never its content.
func (s *Session) logFormat(mti string, cause error) {
	s.g.log.Info("format error", slog.String("peer", s.peer.Name), slog.String("mti", mti), slog.Any("cause", cause))
}

// Malfunction answers an exchange whose answer could not be encoded, or whose handling panicked.
func (s *Session) Malfunction(x Exchange, attached any) {
	e, ok := attached.(*exchange)
	if !ok {
		x.Silent()
		return
	}
	e.answer = answer{request: e.message, decision: authz.Decision{Reason: authz.Malfunction}, brief: true}
	x.Reply(&e.answer)
}

// Goodbye refuses traffic from now on and returns our sign-off.
func (s *Session) Goodbye() []Encoder {
	s.draining.Store(true)
	if !s.signedOn.Load() {
		return nil
	}
	return []Encoder{s.signOff()}
}

// Closed says that the link is gone.
func (s *Session) Closed() {}
