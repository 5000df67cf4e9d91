package main

import (
	"errors"
	"time"

	"holdfast/switch/gateway"
	"holdfast/switch/server"
)

// linkConfig is a peer that we connect to ourselves, and serve on the links that come of it.
type linkConfig struct {
	Listener     listenerConfig `yaml:",inline"` // the same settings; the address is the peer's
	Count        int            `yaml:"count"`
	SignOn       *bool          `yaml:"signOn"`
	EchoEvery    time.Duration  `yaml:"echoEvery"`
	AnswerWithin time.Duration  `yaml:"answerWithin"`
	RetryMax     time.Duration  `yaml:"retryMax"`
}

// dialSetup is what makes a setup one of links that we open.
type dialSetup struct {
	dialer  server.DialConfig
	signOn  bool
	echo    time.Duration
	answers time.Duration
}

// countMax bounds the links to one address.
const countMax = 64

// setup checks the settings and fills in what was left out.
func (l linkConfig) setup(peers map[string]*gateway.Peer) (listenerSetup, error) {
	if l.Listener.Address == "" || l.Listener.Name == "" {
		return listenerSetup{}, usageError{errors.New("links: each needs a name and the address of the peer")}
	}
	if l.Count < 0 || l.Count > countMax || l.EchoEvery < 0 || l.AnswerWithin < 0 || l.RetryMax < 0 {
		return listenerSetup{}, usagef("link %s: count, echoEvery, answerWithin, retryMax: want no negative ones, and up to %d links",
			l.Listener.Name, countMax)
	}
	s, err := l.Listener.setup(peers)
	if err != nil {
		return s, err
	}
	wait := min(200*time.Millisecond, max(l.RetryMax, time.Millisecond))
	if l.RetryMax == 0 {
		wait = 0
	}
	s.dial = &dialSetup{
		dialer: server.DialConfig{Addr: s.address, Links: l.Count, WaitMin: wait, WaitMax: l.RetryMax},
		signOn: l.SignOn == nil || *l.SignOn, echo: l.EchoEvery, answers: l.AnswerWithin,
	}
	return s, nil
}

// outbound joins links that we opened to the gateway's sessions.
type outbound struct {
	handler
	dial *dialSetup
}

// Open implements [server.Handler].
func (h outbound) Open(l server.Link) server.Session {
	return session{h.gateway.OpenDialled(h.peer, gateway.Dialled{SignOn: h.dial.signOn, EchoEvery: h.dial.echo, Within: h.dial.answers,
		Send: func(e gateway.Encoder) bool { return l.Send(e) }, Hangup: l.Hangup})}
}
