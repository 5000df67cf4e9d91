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

	"github.com/redis/go-redis/v9"

	"holdfast/authz"
)

var (
	//go:embed common.lua
	commonLua string
	//go:embed place.lua
	placeLua string
	//go:embed settle.lua
	settleLua string
	//go:embed refresh.lua
	refreshLua string

	placeScript   = newScript(placeLua)
	settleScript  = newScript(settleLua)
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

// mark is the first argument of a call. It is encoded when the connection is ready and the command is
// written, and so tells a call that was never sent from one that may run.
type mark struct{ sent atomic.Bool }

// MarshalBinary implements [encoding.BinaryMarshaler].
func (m *mark) MarshalBinary() ([]byte, error) {
	m.sent.Store(true)
	return []byte{'1'}, nil
}

// call runs a script on the keys of a partner. The command's error is one of authz, or nil.
func (h *Holds) call(ctx context.Context, s *script, partner authz.PartnerID, e *encoder) *redis.Cmd {
	m := &mark{}
	balances, flight := h.keys(partner)
	args := make([]any, 0, 6+len(e.ends))
	args = e.appendTo(append(args, "evalsha", s.sha, "2", balances, flight, m))
	cmd := command{redis.NewCmd(ctx, args...)}
	err := h.client.Process(ctx, cmd)
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		args[0], args[1] = "eval", s.text
		cmd = command{redis.NewCmd(ctx, args...)}
		err = h.client.Process(ctx, cmd)
	}
	cmd.SetErr(sorted(err, m.sent.Load()))
	return cmd.Cmd
}

// keys are the hashes of a partner: balances, and what is in flight. The braces are the hash tag.
func (h *Holds) keys(partner authz.PartnerID) (balances, flight string) {
	tag := h.prefix + "{p" + strconv.FormatInt(int64(partner), 10) + "}:"
	return tag + "b", tag + "f"
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
