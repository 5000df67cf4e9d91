package wirelog

import (
	"io"
	"sync"
)

// feed hands bytes to a reader and waits until it has dealt with them, so that what is logged is in the order in
// which it happened.
type feed struct {
	mu      sync.Mutex
	turn    sync.Cond
	bytes   []byte
	hungry  bool // the reader has dealt with all of it
	stopped bool
}

func newFeed() *feed {
	f := &feed{}
	f.turn.L = &f.mu
	return f
}

// put returns when the reader wants more, or when the feed has ended.
func (f *feed) put(p []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.bytes = append(f.bytes, p...)
	f.hungry = false
	f.turn.Broadcast()
	for !f.hungry && !f.stopped {
		f.turn.Wait()
	}
}

// Read implements [io.Reader].
func (f *feed) Read(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.bytes) == 0 {
		if f.stopped {
			return 0, io.EOF
		}
		f.hungry = true
		f.turn.Broadcast()
		f.turn.Wait()
	}
	n := copy(p, f.bytes)
	f.bytes = f.bytes[n:]
	return n, nil
}

// end lets the reader finish what is there.
func (f *feed) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stopped = true
	f.turn.Broadcast()
}
