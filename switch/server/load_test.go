package server_test

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"holdfast/switch/frame"
	"holdfast/switch/server"
)

// Goal: a drain in the middle of traffic loses no answer of a frame that was read, and resets no connection.
// Method: 8 peers keep 8 frames in flight each; answers are made by four other goroutines; the server drains after
// some thousand frames; each peer must see exactly the answers that were made for it, and then an orderly end.
func TestDrainUnderLoadLosesNoAnswer(t *testing.T) {
	t.Parallel()
	lanes := make(chan *server.Exchange, 64)
	var working, peers sync.WaitGroup
	var read, received atomic.Int64
	enough := make(chan struct{})
	for range 4 {
		working.Go(func() {
			for x := range lanes {
				x.Reply(text(x.Attached().(string)))
			}
		})
	}
	r := start(t, server.Config{}, onFrame(func(x *server.Exchange) {
		if read.Add(1) == 5000 {
			close(enough)
		}
		x.Attach(string(x.Body()))
		lanes <- x
	}))
	for range 8 {
		p := r.peer()
		p.send(messages(8)...)
		peers.Go(func() {
			for {
				_, body, err := p.reader.Next()
				if err != nil {
					if err != io.EOF {
						t.Errorf("a link ended with %v", err)
					}
					return
				}
				received.Add(1)
				framed, _ := p.format.Append(nil, nil, body)
				if _, err := p.conn.Write(framed); err != nil {
					continue // the server may close its side while we still send
				}
			}
		})
	}
	<-enough
	r.cancel()
	peers.Wait()
	r.stop()
	close(lanes)
	working.Wait()
	if s := r.Stats(); s.FramesIn != read.Load() || s.FramesOut != read.Load() || received.Load() != read.Load() || s.Dropped != 0 {
		t.Errorf("%d read, %d received, %+v", read.Load(), received.Load(), s)
	}
}

// BenchmarkEcho measures frames answered per second with raw windowed peers in the same process: 16 links with 8
// frames of 350 bytes in flight each, and one link with 64.
func BenchmarkEcho(b *testing.B) {
	for _, shape := range []struct {
		name          string
		links, window int
	}{{"16x8", 16, 8}, {"1x64", 1, 64}, {"1x1", 1, 1}} {
		b.Run(shape.name, func(b *testing.B) {
			r := start(b, server.Config{}, onFrame(echoPooled))
			var peers sync.WaitGroup
			each := max(b.N/shape.links, 1)
			conns := make([]net.Conn, shape.links)
			for i := range conns {
				conns[i] = r.dial()
			}
			b.ReportAllocs()
			b.ResetTimer()
			for _, conn := range conns {
				peers.Go(func() { windowed(b, conn, shape.window, each) })
			}
			peers.Wait()
			b.StopTimer()
			b.ReportMetric(float64(each*shape.links)/b.Elapsed().Seconds(), "frames/s")
		})
	}
}

// pooledBody is an answer that costs the handler one copy and no allocation.
type pooledBody struct{ b []byte }

var bodies = sync.Pool{New: func() any { return new(pooledBody) }}

func (p *pooledBody) Append(dst []byte) ([]byte, error) {
	dst = append(dst, p.b...)
	bodies.Put(p)
	return dst, nil
}

func echoPooled(x *server.Exchange) {
	p := bodies.Get().(*pooledBody)
	p.b = append(p.b[:0], x.Body()...)
	x.Reply(p)
}

// windowed sends total frames, at most window of them unanswered.
func windowed(b *testing.B, conn net.Conn, window, total int) {
	one, err := frame.Format{}.Append(nil, nil, make([]byte, 350))
	if err != nil {
		b.Error(err)
		return
	}
	burst := make([]byte, 0, window*len(one))
	for range window {
		burst = append(burst, one...)
	}
	reader := frame.NewReader(conn, frame.Format{}, frame.Limits{})
	sent, got := 0, 0
	for got < total {
		n := min(window-(sent-got), total-sent)
		if n > 0 {
			if _, err := conn.Write(burst[:n*len(one)]); err != nil {
				b.Error(err)
				return
			}
			sent += n
		}
		for more := true; more; more = reader.Buffered() >= len(one) {
			if _, _, err := reader.Next(); err != nil {
				b.Error(err)
				return
			}
			got++
		}
	}
}

// BenchmarkIdleLinks measures the memory of a link that has answered one frame and is silent, by itself: in-memory
// connections, so that neither sockets nor peers count.
func BenchmarkIdleLinks(b *testing.B) {
	const links = 10_000
	for range b.N {
		ln := newPipes()
		s, err := server.New(server.Config{Name: "idle", LinksMax: links}, onFrame(echoPooled), nil)
		if err != nil {
			b.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- s.Serve(ctx, ln) }() // owned by the benchmark, which waits for the result
		ours := make([]net.Conn, links)
		before := memoryInUse()
		one, _ := frame.Format{}.Append(nil, nil, make([]byte, 350))
		answer := make([]byte, len(one))
		for i := range ours {
			var theirs net.Conn
			ours[i], theirs = net.Pipe()
			ln.conns <- theirs
			if _, err := ours[i].Write(one); err != nil {
				b.Fatal(err)
			}
			if _, err := io.ReadFull(ours[i], answer); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(memoryInUse()-before)/links, "B/link")
		for _, conn := range ours {
			conn.Close()
		}
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			b.Fatal(err)
		}
	}
}

// memoryInUse is live heap and stacks, after a collection.
func memoryInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}
