package gateway

import (
	"log/slog"
	"sync/atomic"

	"holdfast/authz"
)

// doubtsMax is how many decisions that could not be made are logged in a second, of each reason. In an overload there
// are tens of thousands, and a line for each would cost more than refusing it.
const doubtsMax = 10

// doubts counts those of one reason.
type doubts struct{ second, lines atomic.Int64 }

// take says whether another line may be written in a second, and how many were left out in the one before.
func (d *doubts) take(second int64) (write bool, left int64) {
	if last := d.second.Load(); second != last && d.second.CompareAndSwap(last, second) {
		left = max(0, d.lines.Swap(0)-doubtsMax)
	}
	return d.lines.Add(1) <= doubtsMax, left
}

// doubt logs a decision that could not be made, or counts it.
func (e *exchange) doubt(d *authz.Decision) {
	g := e.session.g
	write, left := g.doubts[d.Reason].take(e.x.ReceivedAt().Unix())
	if !write {
		return
	}
	g.log.Warn("could not decide", slog.String("peer", e.session.place.peer.Name), slog.Int64("id", int64(d.ID)),
		slog.String("reason", d.Reason.String()), slog.Any("cause", d.Cause), slog.Int64("left_out", left))
}
