//go:build faults

package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"holdfast/switch/client"
	"holdfast/switch/frame"
)

const (
	crowdLinks = 10_000 // links beside the honest ones
	crowdMax   = crowdLinks + 100
	crowdOver  = 300 // more than there is room for
)

// Ten thousand links are open on a node, half of which have said something; more are refused. The honest links are
// answered as before, and when the others have gone nothing of them is left.
func TestHeavyTenThousandLinks(t *testing.T) {
	s := embeddedSite(t, []listenerConfig{{Name: "ascii", Framing: "bin2", Settings: peerSettings{Dialect: "iso87-ascii"}, LinksMax: crowdMax}},
		faultCards)
	n, store := s.start(t, 1), s.books(t)
	quiet := s.traffic(t, faultCards, n)
	quiet.flows(t, resumeWithin, n)
	lasts(3 * time.Second)
	before := quiet.end()
	f := s.traffic(t, faultCards, n)
	f.flows(t, resumeWithin, n)
	had := resourcesOf(t, n)
	began := time.Now()
	links, refused := s.crowd(t, n)
	t.Logf("%d links after %v, %d were refused", len(links), time.Since(began).Round(time.Millisecond), refused)
	during := time.Now()
	lasts(5 * time.Second)
	have := resourcesOf(t, n)
	t.Logf("before %+v, with them %+v", had, have)
	if have.files < had.files+crowdLinks || refused == 0 {
		t.Errorf("%d files before, %d during, %d refused: the test is not looking", had.files, have.files, refused)
	}
	for _, c := range links {
		_ = c.Close()
	}
	outcomes := f.end()
	inTime(t, outcomes)
	approved, then := 0, 0
	for i := range outcomes {
		approved += boolInt(outcomes[i].approved())
		then += boolInt(outcomes[i].sent.After(during))
	}
	t.Logf("%d honest answers a second before, %d a second during; %d of %d approved", len(before)/3, then/5, approved, len(outcomes))
	if approved*100 < len(outcomes)*99 || then == 0 {
		t.Errorf("%d of %d honest requests were approved", approved, len(outcomes))
	}
	n.settles(t, had)
	s.audit(t, store, append(before, outcomes...), false)
}

// crowd opens links until there is no room. A link that is refused ends at once.
func (s *site) crowd(t *testing.T, n *fullNode) (links []net.Conn, refused int) {
	t.Helper()
	m := s.dialect.New("0800")
	for de, v := range map[int]string{7: time.Now().UTC().Format("0102150405"), 11: "000001", 70: "301"} {
		if err := m.Set(de, v); err != nil {
			t.Fatal(err)
		}
	}
	body, err := m.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	echo, err := frame.Format{}.Append(nil, nil, body)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	const openers = 8
	for i := range openers {
		wg.Go(func() {
			for j := i; j < crowdLinks+crowdOver; j += openers {
				c, err := net.DialTimeout("tcp", n.addresses["ascii"], 20*time.Second)
				if err != nil {
					t.Error(err)
					return
				}
				_, err = c.Write(echo[:(j%2)*len(echo)])
				open := err == nil
				if open && j%2 == 1 {
					_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
					_, err = c.Read(make([]byte, 64))
					open = err == nil
				}
				mu.Lock()
				links = append(links, c)
				refused += boolInt(!open)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return links, refused
}

const (
	netnsVariable = "HOLDFAST_TEST_NETNS"
	vanishing     = "127.0.0.2"
)

// Peers vanish: from one moment on nothing of what is sent to them arrives, and nothing says so. Those that were idle
// are given up, and those that an answer was on its way to, too, while the links of others go on.
func TestHeavyVanishedPeers(t *testing.T) {
	if os.Getenv(netnsVariable) == "" {
		cmd := exec.Command("unshare", "--net", "sh", "-c", `ip link set lo up && exec "$0" -test.run='^TestHeavyVanishedPeers$' -test.v`, os.Args[0])
		cmd.Env = append(os.Environ(), netnsVariable+"=1")
		out, err := cmd.CombinedOutput()
		if err != nil && !strings.Contains(string(out), "RUN") {
			t.Skipf("a network of our own needs root and iproute2: %v: %s", err, out)
		}
		t.Logf("in a network of its own:\n%s", out)
		if err != nil {
			t.Error(err)
		}
		return
	}
	s := embeddedSite(t, plainListener, faultCards)
	n := s.start(t, 1)
	f := s.traffic(t, faultCards, n)
	f.flows(t, resumeWithin, n)
	had := openFiles(t, n)
	const each = 10
	var waiting []*wire
	for i := range 2 * each {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(vanishing)}}
		c, err := dialer.DialContext(ctx, "tcp", n.addresses["ascii"])
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		w := &wire{dialect: s.dialect, raw: client.NewRaw(c, frame.Format{})}
		card, err := loadCard(i)
		if err != nil {
			t.Fatal(err)
		}
		if a := w.must(t, s.message(t, s.payment(card, 100), "0100")); a.code != "00" {
			t.Errorf("a peer that is still there is answered %s", a.code)
		}
		if i < each {
			waiting = append(waiting, w)
		}
	}
	// Their requests arrive while the node is stopped, so that its answers find them gone.
	send(t, n.cmd.Process.Pid, syscall.SIGSTOP)
	for i, w := range waiting {
		card, err := loadCard(i)
		if err == nil {
			err = w.raw.Write(s.message(t, s.payment(card, 100), "0100"))
		}
		if err != nil {
			t.Error(err)
		}
	}
	out, err := exec.Command("ip", "route", "add", "blackhole", vanishing, "table", "local").CombinedOutput()
	send(t, n.cmd.Process.Pid, syscall.SIGCONT)
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	gone := time.Now()
	eventually(t, 60*time.Second, "the links of those who vanished to end", func() error {
		if now := openFiles(t, n); now > had {
			return fmt.Errorf("%d files, %d before", now, had)
		}
		return nil
	})
	t.Logf("%d idle links and %d with an answer on its way were ended %v after their peers vanished", each, each,
		time.Since(gone).Round(time.Second))
	f.flows(t, resumeWithin, n)
	outcomes := f.end()
	inTime(t, outcomes)
	for i := range outcomes {
		if !outcomes[i].approved() {
			t.Errorf("an honest request was answered %q", outcomes[i].code)
			break
		}
	}
	s.verify(t)
}
