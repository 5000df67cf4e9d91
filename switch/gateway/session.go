package gateway

import (
	"log/slog"
	"strings"
	"sync/atomic"

	"holdfast/authz"
	"holdfast/switch/iso"
)

// Session is one link. Frames come one at a time; decisions come whenever they are made.
type Session struct {
	g        *Gateway
	place    *place
	signedOn atomic.Bool
	admitted atomic.Bool // it was signed on once
	draining atomic.Bool
	asking   *asking // nil: the peer has opened the link
}

// exchange is one message on its way to its answer.
type exchange struct {
	x       Exchange
	session *Session
	message *iso.Message
	request request
	answer  answer
}

func (s *Session) exchange(x Exchange, m *iso.Message) *exchange {
	e := &exchange{x: x, session: s, message: m}
	e.answer = answer{session: s, request: m, at: x.ReceivedAt()}
	return e
}

// Frame takes one frame and answers it now or when it is decided. It does not block.
func (s *Session) Frame(x Exchange) {
	m, err := s.place.peer.Dialect.Decode(x.Body())
	if err != nil {
		s.unreadable(x, m, err)
		return
	}
	e := s.exchange(x, m)
	x.Attach(e)
	t := mti(m.MTI())
	if !t.valid(versionDigit(m.Dialect().Version())) {
		e.refuse(wrong(0, iso.KindMTI))
		return
	}
	if s.place.peer.MAC != nil && !e.authentic(t, x.Body()) {
		return
	}
	switch {
	case !t.meant():
		if s.asking != nil {
			s.asking.answered(m)
		}
		x.Silent()
	case t.class() == classNetwork:
		e.manage()
	case s.shutFor(t):
		e.end(authz.PeerSignedOff)
	case t.class() == classFile:
		e.fileAction(t)
	case t.class() == classReconciliation:
		e.reconcile(t)
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
	return !t.told() || !s.admitted.Load()
}

// authorize types the message and has it decided.
func (e *exchange) authorize(t mti) {
	kind, served := t.kind()
	if !served {
		e.end(authz.TransactionUnknown)
		return
	}
	r, l := &e.request, e.session.place
	if err := r.read(e.message, kind, e.x.ReceivedAt()); err != nil {
		e.misread(err)
		return
	}
	if !l.grant.Load().has(r.PAN) {
		e.end(authz.BINUnknown) // also what only tells: a peer may not bind us for cards that are not its business
		return
	}
	if r.odd != nil {
		e.session.g.log.Warn("told something odd", slog.String("peer", l.peer.Name),
			slog.String("mti", string(t)), slog.Any("cause", flat{r.odd}))
	}
	r.Peer = l.peer.Name
	r.Repeat = t.repeat()
	r.Deadline = e.x.ReceivedAt().Add(l.deadline)
	r.DigitsOnly = l.digitsOnly
	r.settle(e.message, l)
	e.answer.fee = e.request.fee
	e.session.g.cfg.Authorizer.Submit(&r.Request, e)
}

// flat is an error on one line.
type flat struct{ error }

// Error joins the lines of joined errors.
func (f flat) Error() string { return strings.ReplaceAll(f.error.Error(), "\n", "; ") }

// Decided implements [authz.Waiter].
func (e *exchange) Decided(d *authz.Decision) {
	if d.Cause != nil {
		e.doubt(d)
	}
	e.answer.decision = *d
	e.reply()
}

// end answers without a decision of the authorizer.
func (e *exchange) end(r authz.Reason) {
	e.answer.decision = authz.Decision{Reason: r}
	e.reply()
}

// reply ends the exchange. A notification has no answer.
func (e *exchange) reply() {
	if !mti(e.message.MTI()).answerable() {
		e.x.Silent()
		return
	}
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
	e.answer.cause = cause
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
	e.answer.cause, e.answer.decision = cause, authz.Decision{Reason: authz.FormatError}
	e.x.MalformedReply(&e.answer)
}

// unreadable answers a frame that the dialect cannot read, when what it could read is enough.
func (s *Session) unreadable(x Exchange, m *iso.Message, cause error) {
	if m == nil {
		s.logFormat("", cause)
		x.Malformed()
		return
	}
	e := s.exchange(x, m)
	if rule := s.place.peer.MAC; rule != nil && rule.Demand != MACNone {
		e.answer.seal.rule = rule
	}
	e.refuse(cause)
}

// logFormat names the element at fault, never its content.
func (s *Session) logFormat(mti string, cause error) {
	s.g.log.Info("format error", slog.String("peer", s.place.peer.Name), slog.String("mti", mti), slog.Any("cause", flat{cause}))
}

// Malfunction answers an exchange whose answer could not be encoded, or whose handling panicked.
func (s *Session) Malfunction(x Exchange, attached any) {
	e, ok := attached.(*exchange)
	if !ok || !mti(e.message.MTI()).answerable() {
		x.Silent()
		return
	}
	x.Reply(&answer{session: s, request: e.message, at: e.x.ReceivedAt(), decision: authz.Decision{Reason: authz.Malfunction},
		brief: true, seal: e.answer.seal})
}

// Goodbye refuses traffic from now on and returns our sign-off, which tells the peer to go elsewhere. Its answer is
// dropped like any answer that we do not wait for.
func (s *Session) Goodbye() []Encoder {
	s.draining.Store(true)
	if s.asking != nil {
		s.asking.stop()
	}
	if !s.signedOn.Load() {
		return nil
	}
	m, err := s.own(&askSignOff)
	if err != nil {
		return nil // a dialect without room for it has no sign-off
	}
	return []Encoder{ours{s, m}}
}

// Closed says that the link is gone.
func (s *Session) Closed() {
	if s.asking != nil {
		s.asking.stop()
	}
}
