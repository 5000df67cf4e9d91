package redisstore

import (
	"context"
	"crypto/sha1" //nolint:gosec // the name that Redis gives to a script, not a secret
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"holdfast/authz"
)

var (
	//go:embed common.lua
	commonLua string
	//go:embed step.lua
	stepLua string
	//go:embed refresh.lua
	refreshLua string

	stepScript    = newScript(stepLua)
	refreshScript = newScript(refreshLua)
)

type script struct{ text, sha string }

// newScript puts the first line before it that has Redis refuse the script before it starts, not at its
// first write, when there is no memory or the node is a replica.
func newScript(body string) *script {
	text := "#!lua\n" + commonLua + body
	sum := sha1.Sum([]byte(text))
	return &script{text: text, sha: hex.EncodeToString(sum[:])}
}

// command is a call that the client sends once: a cluster client would else send it again to find out
// what became of it. It still follows MOVED and ASK, after which nothing has run.
type command struct{ *redis.Cmd }

// NoRetry tells the client.
func (command) NoRetry() bool { return true }

func newCommand(ctx context.Context, args []any) command { return command{redis.NewCmd(ctx, args...)} }

// mark is the first argument of a call. It is encoded when the connection is ready and the command is
// written, and so tells a call that was never sent from one that may run; one that its caller abandoned before is
// sent as a call that does nothing.
type mark struct{ state atomic.Int32 }

const (
	markSent int32 = iota + 1
	markAbandoned
)

// MarshalBinary implements [encoding.BinaryMarshaler].
func (m *mark) MarshalBinary() ([]byte, error) {
	if m.state.CompareAndSwap(0, markSent) || m.state.Load() == markSent {
		return []byte{'1'}, nil
	}
	return []byte{'0'}, nil
}

// abandon has the call not be sent, and reports whether that came too late.
func (m *mark) abandon() (sent bool) { return m.state.Swap(markAbandoned) == markSent }

func (m *mark) abandoned() bool { return m.state.Load() == markAbandoned }

// call is a script on its way. Until done is closed, cmd and args belong to the pipe.
type call struct {
	script *script
	args   []any
	mark   mark
	cmd    command
	done   chan struct{}
}

// begin sends a script on the keys of a partner on its way.
func (h *Holds) begin(ctx context.Context, s *script, partner authz.PartnerID, e *encoder) (*call, error) {
	p, err := h.pipeOf(ctx, partner)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", authz.ErrUnavailable, err)
	}
	c := &call{script: s, done: make(chan struct{})}
	balances, flight := h.keys(partner)
	c.args = e.appendTo(append(make([]any, 0, 6+len(e.ends)), "evalsha", s.sha, "2", balances, flight, &c.mark))
	c.cmd = newCommand(context.Background(), c.args) // its pipeline has a time limit
	if err := h.push(p, c); err != nil {
		return nil, fmt.Errorf("%w: %w", authz.ErrUnavailable, err)
	}
	return c, nil
}

// result waits for the script's answer until ctx ends, and no longer than the timeout. The error is one of authz,
// or nil.
func (h *Holds) result(ctx context.Context, c *call) ([]int64, error) {
	limit := time.NewTimer(h.timeout) // cheaper than a context, which every call of every lane would make
	defer limit.Stop()
	var err error
	select {
	case <-c.done:
		if err = c.cmd.Err(); err == nil {
			reply, err := c.cmd.Int64Slice()
			if err != nil { // not what the script returns: it comes from something else
				return nil, fmt.Errorf("read the results: %w: %w", authz.ErrUnknown, err)
			}
			return reply, nil
		}
		return nil, sorted(err, c.mark.abandon())
	case <-limit.C:
		err = context.DeadlineExceeded
	case <-ctx.Done():
		err = ctx.Err()
	case <-h.closing.Done():
		err = errClosed
	}
	return nil, sorted(err, c.mark.abandon())
}

// call runs a script on the keys of a partner.
func (h *Holds) call(ctx context.Context, s *script, partner authz.PartnerID, e *encoder) ([]int64, error) {
	c, err := h.begin(ctx, s, partner, e)
	if err != nil {
		return nil, err
	}
	return h.result(ctx, c)
}

// keys are the hashes of a partner: balances, and what is in flight. The braces are the hash tag.
func (h *Holds) keys(partner authz.PartnerID) (balances, flight string) {
	tag := h.prefix + "{p" + strconv.FormatInt(int64(partner), 10) + "}:"
	return tag + moneySuffix, tag + flightSuffix
}

// refusals begin the replies after which a script has not run.
var refusals = []string{
	"NOSCRIPT ", "LOADING ", "READONLY ", "OOM ", "MISCONF ", "NOREPLICAS ", "MASTERDOWN ", "CLUSTERDOWN ", "MOVED ", "ASK ",
	"TRYAGAIN ", "CROSSSLOT ", "BUSY ", "NOAUTH ", "WRONGPASS ", "ERR max number of clients reached",
}

// sorted says whether the call surely did not happen, or may have. When in doubt it may have.
func sorted(err error, sent bool) error {
	if err == nil {
		return nil
	}
	var refused redis.Error
	var network *net.OpError
	surely := !sent
	switch {
	case errors.As(err, &refused):
		for _, prefix := range refusals {
			surely = surely || strings.HasPrefix(err.Error(), prefix)
		}
	case errors.As(err, &network):
		surely = surely || network.Op == "dial" // the node that it was moved to
	}
	if surely {
		return fmt.Errorf("%w: %w", authz.ErrUnavailable, err)
	}
	return fmt.Errorf("%w: %w", authz.ErrUnknown, err)
}
