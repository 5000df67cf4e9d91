package redisstore

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"holdfast/authz"
)

const (
	// pipesPerNode is how many connections the calls for one server share. With two, one is written to while the
	// answers of the other come; a partner always has the same, so its calls run in the order they were made.
	pipesPerNode = 2
	// queueMax bounds the calls that wait for one connection: a lane makes a few at a time.
	queueMax = 4096
	// A pipeline is answered as a whole, so it ends where more would make the first of it wait.
	pipelineCalls     = 128
	pipelineArguments = 8192
)

var (
	errStalled = errors.New("redis has not answered those before for longer than a call may take")
	errFull    = errors.New("too many calls wait for redis")
	errClosed  = errors.New("closed")
)

// pipe sends the calls of all partners of one server over one connection. It takes what has come while the last
// pipeline was under way, without timers. It outlives those who wait: a connection is closed when the server does
// not answer for [patience], not when a caller has given up.
type pipe struct {
	node  redis.Cmdable
	queue chan *call
	began atomic.Int64 // when the pipeline under way was sent, by since; 0: none is
}

// pipeOf finds where the calls for a partner go.
func (h *Holds) pipeOf(ctx context.Context, partner authz.PartnerID) (*pipe, error) {
	node, ok := h.client.(*redis.Client)
	if !ok {
		ctx, cancel := context.WithTimeout(ctx, h.timeout) // it may have to ask for the cluster's map
		defer cancel()
		balances, _ := h.keys(partner)
		var err error
		if node, err = h.client.(*redis.ClusterClient).MasterForKey(ctx, balances); err != nil {
			return nil, err
		}
	}
	if pipes, ok := h.pipes.Load(node); ok {
		return pipes.([]*pipe)[uint64(partner)%pipesPerNode], nil
	}
	h.opening.Lock()
	defer h.opening.Unlock()
	if h.closing.Err() != nil {
		return nil, errClosed
	}
	if _, ok := h.pipes.Load(node); !ok {
		pipes := make([]*pipe, pipesPerNode)
		for i := range pipes {
			pipes[i] = &pipe{node: node, queue: make(chan *call, queueMax)}
			h.wg.Go(func() { h.pump(pipes[i]) })
		}
		h.pipes.Store(node, pipes)
	}
	pipes, _ := h.pipes.Load(node)
	return pipes.([]*pipe)[uint64(partner)%pipesPerNode], nil
}

// push queues a call unless it would wait in vain.
func (h *Holds) push(p *pipe, c *call) error {
	if began := p.began.Load(); began != 0 && h.since()-began > int64(h.timeout) {
		return errStalled
	}
	select {
	case p.queue <- c:
		return nil
	default:
		return errFull
	}
}

// since is a clock that is never 0.
func (h *Holds) since() int64 { return int64(time.Since(h.opened)) + 1 }

// pump is the owner of a pipe; it ends when the store closes.
func (h *Holds) pump(p *pipe) {
	var batch []*call
	for {
		select {
		case <-h.closing.Done():
			return
		case c := <-p.queue:
			batch = gather(p, append(batch[:0], c))
		}
		p.began.Store(h.since())
		h.send(p, batch)
		p.began.Store(0)
		for _, c := range batch {
			close(c.done)
		}
		clear(batch)
	}
}

// gather adds what has come meanwhile.
func gather(p *pipe, batch []*call) []*call {
	arguments := len(batch[0].args)
	for len(batch) < pipelineCalls && arguments < pipelineArguments {
		select {
		case c := <-p.queue:
			batch = append(batch, c)
			arguments += len(c.args)
		default:
			return batch
		}
	}
	return batch
}

// send runs the calls in one pipeline. Those whose script was not there, or that another server must run, have not
// run, and are sent once more by themselves.
func (h *Holds) send(p *pipe, batch []*call) {
	ctx, cancel := context.WithTimeout(h.closing, max(patience, h.timeout))
	defer cancel()
	pipeline := p.node.Pipeline()
	for _, c := range batch {
		if !c.mark.abandoned() {
			_ = pipeline.Process(ctx, c.cmd) // it only queues
		}
	}
	_, _ = pipeline.Exec(ctx) // each command has its own error
	for _, c := range batch {
		if c.mark.abandoned() || !elsewhere(c.cmd.Err()) {
			continue
		}
		c.cmd = newCommand(ctx, c.args)
		if err := h.client.Process(ctx, c.cmd); redis.HasErrorPrefix(err, "NOSCRIPT") {
			c.args[0], c.args[1] = "eval", c.script.text
			c.cmd = newCommand(ctx, c.args)
			_ = h.client.Process(ctx, c.cmd) // the command has the error
		}
	}
}

// elsewhere reports errors after which nothing has run and the same call may be sent another way. The client finds
// the right server for MOVED and ASK, and leaves the connection to one that has become a replica.
func elsewhere(err error) bool {
	for _, prefix := range [...]string{"NOSCRIPT", "MOVED", "ASK", "READONLY"} {
		if redis.HasErrorPrefix(err, prefix) {
			return true
		}
	}
	return false
}
