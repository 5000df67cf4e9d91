//go:build faults

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Two nodes are restarted one after the other under load, as for an upgrade. What was read is answered, the other node
// goes on, and what a peer had sent into the closing link is approved once when it is asked again elsewhere.
func TestChaosRollingRestart(t *testing.T) {
	const cards = 200
	s := openSite(t, sharedServers(t), plainListener, "--cards", fmt.Sprint(cards))
	nodes := []*fullNode{s.start(t, 1), s.start(t, 2)}
	store := s.open(t)
	var all []outcome
	for i := range nodes {
		leaving, staying := nodes[i], nodes[1-i]
		f := s.traffic(t, cards, nodes...)
		f.flows(t, resumeWithin, nodes...)
		began := time.Now()
		leaving.stop(t)
		took := time.Since(began)
		f.flows(t, resumeWithin, staying)
		outcomes := f.end()
		inTime(t, outcomes)
		cut := 0
		for j := range outcomes {
			cut += boolInt(outcomes[j].body != nil)
		}
		t.Logf("node %d drained in %v: %d answers, %d requests into a closed link", i+1, took.Round(time.Millisecond), len(outcomes)-cut, cut)
		if cut > trafficLinks {
			t.Errorf("%d requests on %d links were not answered: more than the one that each had under way", cut, trafficLinks)
		}
		all = append(append(all, outcomes...), s.repeat(t, staying, outcomes)...)
		s.audit(t, store, all, false)
		nodes[i] = s.start(t, i+1)
	}
}

// hostile are peers that mean harm; each keeps at it until stop closes.
var hostile = []struct {
	name  string
	links int
	does  func(c net.Conn, stop <-chan struct{})
}{
	{"silent", 400, func(c net.Conn, stop <-chan struct{}) {
		<-stop
	}},
	{"slow: a byte now and then", 200, func(c net.Conn, stop <-chan struct{}) {
		for _, b := range append([]byte{0x01, 0x00}, bytes.Repeat([]byte{'0'}, 256)...) {
			if _, err := c.Write([]byte{b}); err != nil {
				return
			}
			select {
			case <-stop:
				return
			case <-time.After(300 * time.Millisecond):
			}
		}
	}},
	{"malformed", 8, func(c net.Conn, stop <-chan struct{}) {
		garbage := bytes.Repeat(append([]byte{0, 20}, []byte("this is no message..")...), 64)
		for {
			if _, err := c.Write(garbage); err != nil {
				return
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	}},
	{"lengths that lie", 20, func(c net.Conn, stop <-chan struct{}) {
		_, _ = c.Write([]byte{0xFF, 0xFF, 0, 0, 0, 0})
		_, _ = io.Copy(io.Discard, c)
	}},
	{"never reads", 20, func(c net.Conn, stop <-chan struct{}) {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetReadBuffer(1024)
		}
		echo := append([]byte{0, 32}, []byte("08008220000000000000040000000000")...)
		for {
			if _, err := c.Write(echo); err != nil {
				return
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	}},
}

// attack has the peers come back as often as they are thrown out, a little later each time.
func attack(addr string, stop <-chan struct{}) (wait func()) {
	var wg sync.WaitGroup
	for _, h := range hostile {
		for range h.links {
			wg.Go(func() {
				for {
					if c, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
						ended := make(chan struct{})
						// owned by attack, whose wait waits for it
						wg.Go(func() {
							select {
							case <-stop:
							case <-ended:
							}
							_ = c.Close()
						})
						h.does(c, stop)
						close(ended)
					}
					select {
					case <-stop:
						return
					case <-time.After(200 * time.Millisecond):
					}
				}
			})
		}
	}
	return wg.Wait
}

// Hundreds of hostile peers are at the door of a node. The honest ones are answered as before, at least 99 in 100, and
// when the others have gone nothing of them is left.
func TestChaosHostilePeers(t *testing.T) {
	const cards = 200
	s := openSite(t, sharedServers(t), plainListener, "--cards", fmt.Sprint(cards))
	n := s.start(t, 1)
	store := s.open(t)
	quiet := s.traffic(t, cards, n)
	quiet.flows(t, resumeWithin, n)
	lasts(2 * time.Second)
	before := quiet.end()
	f := s.traffic(t, cards, n) // the honest links stand before the others come
	f.flows(t, resumeWithin, n)
	files := openFiles(t, n)
	stop := make(chan struct{})
	wait := attack(n.addresses["ascii"], stop)
	lasts(5 * time.Second)
	during := openFiles(t, n)
	close(stop)
	wait()
	outcomes := f.end()
	inTime(t, outcomes)
	approved := 0
	for i := range outcomes {
		approved += boolInt(outcomes[i].approved())
	}
	if approved*100 < len(outcomes)*99 || len(outcomes) == 0 {
		t.Errorf("%d of %d honest requests were approved", approved, len(outcomes))
	}
	t.Logf("%d honest answers a second before, %d of %d a second during; %d files before, %d during", len(before)/2,
		approved/5, len(outcomes)/5, files, during)
	if during < files+100 {
		t.Error("the hostile peers were not there: the test is not looking")
	}
	eventually(t, 40*time.Second, "nothing to be left of them", func() error {
		if now := openFiles(t, n); now > files {
			return fmt.Errorf("%d files, %d before", now, files)
		}
		return nil
	})
	s.audit(t, store, append(before, outcomes...), false)
}

// openFiles counts those of a node, its links among them.
func openFiles(t *testing.T, n *fullNode) int {
	t.Helper()
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", n.cmd.Process.Pid))
	if errors.Is(err, os.ErrNotExist) && syscall.Kill(n.cmd.Process.Pid, 0) == nil {
		t.Skip("the system does not tell of open files")
	}
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}
