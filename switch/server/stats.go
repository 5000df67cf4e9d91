package server

import "sync/atomic"

// Stats is what a server has counted since it was made. Links and InFlight are of this moment, all others only grow.
type Stats struct {
	Links    int64 // links open now
	InFlight int64 // frames read and not yet answered or dropped

	Accepted     int64 // connections that became links
	Refused      int64 // connections closed because LinksMax links were open
	AcceptErrors int64 // failed calls of Accept

	FramesIn    int64 // frames handed to a session
	FramesOut   int64 // answers handed to a socket
	Unsolicited int64 // frames of our own handed to a socket
	KeepAlives  int64 // frames of length zero
	Rejected    int64 // frames of ours that the peer gave back, by their header

	Handshakes int64 // links closed because TLS was not agreed on

	Malformed     int64 // frames that cost a strike
	Struck        int64 // links closed because their error budget was spent
	BadLengths    int64 // links closed because of a length that cannot be believed
	Truncated     int64 // links whose stream ended or broke inside a frame
	FrameTimeouts int64 // links closed because a started frame did not complete
	IdleTimeouts  int64 // links closed because nothing arrived
	WriteTimeouts int64 // links closed because the peer does not read
	DrainTimeouts int64 // links closed with frames unanswered when the time to drain was over

	Dropped        int64 // answers made and not delivered, the link being gone or the answer not encodable
	EncodeErrors   int64 // answers that their Encoder or the frame's length refused
	Panics         int64 // panics recovered, in sessions and encoders
	InternalErrors int64 // exchanges completed twice
}

// counters is Stats as it is counted.
type counters struct {
	links, completed atomic.Int64

	accepted, refused, acceptErrors                           atomic.Int64
	framesIn, framesOut, unsolicited, keepAlives, rejected    atomic.Int64
	handshakes, malformed, struck, badLengths, truncated      atomic.Int64
	frameTimeouts, idleTimeouts, writeTimeouts, drainTimeouts atomic.Int64
	dropped, encodeErrors, panics, internalErrors             atomic.Int64
}

// Stats reads the counters, each by itself: sums across fields may be off by what happens meanwhile.
func (s *Server) Stats() Stats {
	c := &s.count
	completed := c.completed.Load() // before framesIn, so that the difference is never negative
	in := c.framesIn.Load()
	return Stats{
		Links: c.links.Load(), InFlight: in - completed,
		Accepted: c.accepted.Load(), Refused: c.refused.Load(), AcceptErrors: c.acceptErrors.Load(),
		FramesIn: in, FramesOut: c.framesOut.Load(),
		Unsolicited: c.unsolicited.Load(), KeepAlives: c.keepAlives.Load(), Rejected: c.rejected.Load(),
		Handshakes: c.handshakes.Load(),
		Malformed:  c.malformed.Load(), Struck: c.struck.Load(),
		BadLengths: c.badLengths.Load(), Truncated: c.truncated.Load(),
		FrameTimeouts: c.frameTimeouts.Load(), IdleTimeouts: c.idleTimeouts.Load(),
		WriteTimeouts: c.writeTimeouts.Load(), DrainTimeouts: c.drainTimeouts.Load(),
		Dropped: c.dropped.Load(), EncodeErrors: c.encodeErrors.Load(),
		Panics: c.panics.Load(), InternalErrors: c.internalErrors.Load(),
	}
}
