// Package server keeps the links of peers: it accepts connections, cuts what arrives into frames, hands each frame
// to a session, and sends the answers. It knows frames, not messages.
//
// The one idea: a link has exactly two goroutines, and a frame has none. The reader cuts frames and calls the
// session, one at a time. The writer is the only one that ever writes; it encodes every answer that is ready into one
// buffer and hands that to the socket in a single call, so answers that finish together travel together. Between them
// the answer may be made anywhere: an [Exchange] is completed now or later, from any goroutine.
//
// # The life of a link
//
//	accept -> open -> reading ----------------> answering -> lingering -> closed
//	            |        | end of stream, drain,    | in-flight answers     ^
//	            |        | bad length, time-out,    | are sent              |
//	            |        | error budget spent       |                       |
//	            +--------+--------------------------+-----------------------+
//	              broken connection, write time-out, drain time-out: closed at once
//
// A link that stops reading still answers what it has read. It then closes its own direction first and lets the peer
// finish for a moment, because closing a socket with unread bytes in it would make the kernel take back answers that
// the peer has not read yet.
//
// # Limits
//
// Links are bounded in number; one more is closed at once. Frames in flight are bounded for each link: a full link is
// not read, which pushes back on the peer through TCP. A slot is free again when its answer was handed to the socket
// or dropped. A started frame, a write and a drain each have a deadline; a silent link may live for ever unless
// IdleTimeout says otherwise.
//
// The error budget is MalformedMax strikes. A malformed frame costs one, a good frame gives one back, and a link
// without budget is closed, after its answers were sent.
//
// # What it does not do
//
// It does not shed load: that needs to know which messages may be refused. It does not log what is in a frame.
package server
