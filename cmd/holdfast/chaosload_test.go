//go:build faults

package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/store/records"
	"holdfast/switch/frame"
	"holdfast/switch/iso"
	"holdfast/switch/load"
)

// embeddedSite makes a site of the embedded mode.
func embeddedSite(t *testing.T, listeners []listenerConfig, cards int) *site {
	t.Helper()
	s := &site{dir: t.TempDir(), listeners: listeners}
	seedEmbedded(t, s, cards)
	return s
}

func seedEmbedded(t *testing.T, s *site, cards int) {
	t.Helper()
	var err error
	if s.dialect, err = iso.Builtin("iso87-ascii"); err != nil {
		t.Fatal(err)
	}
	if status, _, errs := runHoldfast(t, "seed", "--data", s.folder(1), "--cards", fmt.Sprint(cards)); status != exitOK {
		t.Fatalf("seed: %s", errs)
	}
}

// books opens what the site's nodes write, for reading.
func (s *site) books(t *testing.T) books {
	t.Helper()
	if s.schema != "" {
		return s.open(t)
	}
	b, err := (&config{Data: s.folder(1), Store: storeEmbedded}).openBooks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// resources are what a process holds.
type resources struct {
	files, goroutines int
	memoryMiB         float64
}

var goroutinesLine = regexp.MustCompile(`goroutines=(\d+)\n`)

func resourcesOf(t *testing.T, n *fullNode) (r resources) {
	t.Helper()
	told := func() [][][]byte { return goroutinesLine.FindAllSubmatch(n.said.bytes(), -1) }
	before := len(told())
	send(t, n.cmd.Process.Pid, syscall.SIGUSR1)
	eventually(t, resumeWithin, "the node to count its goroutines", func() error {
		all := told()
		if len(all) == before {
			return fmt.Errorf("it was not heard")
		}
		r.goroutines = number(t, string(all[len(all)-1][1]))
		return nil
	})
	r.files = openFiles(t, n)
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if text, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(text), " kB"), 64)
			if err != nil {
				t.Fatal(err)
			}
			r.memoryMiB = kib / 1024
		}
	}
	return r
}

// settles waits until a node holds no more than it did; memory is what the collector may keep, so it has room.
func (n *fullNode) settles(t *testing.T, before resources) {
	t.Helper()
	var now resources
	eventually(t, 40*time.Second, "the node to be as it was", func() error {
		now = resourcesOf(t, n)
		if now.files > before.files || now.goroutines > before.goroutines+before.goroutines/4+2 || now.memoryMiB > before.memoryMiB+150 {
			return fmt.Errorf("it has %+v, before %+v", now, before)
		}
		return nil
	})
	t.Logf("before %+v, afterwards %+v", before, now)
}

const (
	overloadRounds = 3
	overloadLinks  = 16
	overloadWindow = 32 // on each link, when the peak is looked for
	overloadCards  = 200
	peakFor        = 3 * time.Second
	overloadFor    = 4 * time.Second
	overloadTick   = 5 * time.Millisecond // a generator that sends one at a time takes more of the machine than the node
	goodputPercent = 90
)

// Twice the capacity is offered for seconds, again and again. As much is approved as at the peak, all requests are
// answered, what tells of the past is in the journal, and afterwards nothing is left. The peak is measured between
// the overloads, since others use the machine, too.
func TestHeavyOverload(t *testing.T) {
	for _, mode := range []struct {
		name string
		open func(t *testing.T) *site
	}{
		{"full", func(t *testing.T) *site {
			return openSite(t, sharedServers(t), plainListener, "--cards", fmt.Sprint(overloadCards))
		}},
		{"embedded", func(t *testing.T) *site { return embeddedSite(t, plainListener, overloadCards) }},
	} {
		t.Run(mode.name, func(t *testing.T) {
			s := mode.open(t)
			s.serial.Store(500_000) // the load's own numbers are below
			n := s.start(t, 1)
			store := s.books(t)
			currency, err := benchCurrency()
			if err != nil {
				t.Fatal(err)
			}
			g, err := load.New(load.Target{Addr: n.addresses["ascii"], Format: frame.Format{}, Dialect: s.dialect, Cards: overloadCards,
				Card: benchCard, Expiry: loadExpiry.YYMM(), Currency: currency.Numeric()}, 1)
			if err != nil {
				t.Fatal(err)
			}
			o := &overload{site: s, node: n, generator: g}
			o.peak(t) // warm
			before := resourcesOf(t, n)
			o.rounds(t)
			n.settles(t, before)
			o.inJournal(t, store)
			s.verify(t)
			o.causes(t)
		})
	}
}

// overload is one measurement.
type overload struct {
	site      *site
	node      *fullNode
	generator *load.Generator
	facts     []string // RRNs of reversals and advices, all of which were answered as taken
	approved  uint64
}

// used is the processor time that the switch and its stores have had.
func (o *overload) used(t *testing.T) time.Duration {
	t.Helper()
	own, _ := readProcess(o.node.cmd.Process.Pid) // zero shows as a division by it
	if o.site.schema == "" {
		return own.used
	}
	backend := o.site.sql(t, "SELECT pid FROM pg_stat_activity WHERE application_name = 'holdfast'")
	redis, _ := readProcess(o.site.redisProcess(t))
	return own.used + redis.used + familyCPU(number(t, backend[0]), "postgres")
}

// pace is how much is approved, in a second and for a second of the processors.
type pace struct{ perSecond, perCPU float64 }

func paceOf(r *load.Result, cpu time.Duration) pace {
	return pace{r.ApprovedPerSecond(), float64(r.Approved) / cpu.Seconds()}
}

func (o *overload) peak(t *testing.T) pace {
	t.Helper()
	cpu := o.used(t)
	r, err := o.generator.Closed(t.Context(), load.ClosedLoad{Links: overloadLinks, Window: overloadWindow, For: peakFor})
	if err != nil || r.Unanswered > 0 || r.Declined > 0 {
		t.Fatalf("peak: %v, %+v", err, r.Counts)
	}
	o.approved += r.Approved
	p := paceOf(&r, o.used(t)-cpu)
	t.Logf("peak: %.0f approvals a second, %.0f for a second of processor; %d undecided, p99 %v", p.perSecond, p.perCPU,
		r.Undecided, r.Latency.At(99))
	return p
}

func (o *overload) rounds(t *testing.T) {
	t.Helper()
	stop := make(chan struct{})
	var telling sync.WaitGroup
	telling.Go(func() { o.facts = o.tellFacts(t, stop) }) // all the time: what is compared is the same but for its rate
	end := sync.OnceFunc(func() { close(stop); telling.Wait() })
	defer end()
	var peaks, goods pace
	last := o.peak(t)
	for range overloadRounds {
		cpu := o.used(t)
		r, err := o.generator.Open(t.Context(), load.OpenLoad{Links: overloadLinks, Rate: 2 * last.perSecond, For: overloadFor,
			Tick: overloadTick})
		good := paceOf(&r, o.used(t)-cpu)
		o.approved += r.Approved
		if err != nil || r.Unanswered > 0 || r.Declined > 0 || r.Duplicates > 0 || r.Foreign > 0 {
			t.Fatalf("overload: %v, %+v", err, r.Counts)
		}
		t.Logf("overload: %.0f offered, %.0f approved a second, %.0f for a second of processor; %d undecided; p50 %v, p99 %v; "+
			"the generator was late by %v (p99)", 2*last.perSecond, good.perSecond, good.perCPU, r.Undecided, r.Latency.At(50),
			r.Latency.At(99), r.Late.At(99))
		next := o.peak(t)
		peaks = pace{peaks.perSecond + (last.perSecond+next.perSecond)/2, peaks.perCPU + (last.perCPU+next.perCPU)/2}
		goods = pace{goods.perSecond + good.perSecond, goods.perCPU + good.perCPU}
		last = next
	}
	end()
	share := 100 * goods.perCPU / peaks.perCPU
	t.Logf("goodput is %.0f %% of the peak by the clock, %.0f %% by what the processors gave; %d advices and reversals",
		100*goods.perSecond/peaks.perSecond, share, 2*len(o.facts))
	if share < goodputPercent {
		t.Errorf("goodput is %.0f %% of the peak, want %d %%", share, goodputPercent)
	}
	if len(o.facts) == 0 {
		t.Error("nothing of the past was told: the test is not looking")
	}
}

// tellFacts sends advices, and reversals of them, until stop. Each is told again until it is taken.
func (o *overload) tellFacts(t *testing.T, stop <-chan struct{}) (rrns []string) {
	const links = 4
	var mu sync.Mutex
	var wg sync.WaitGroup
	again := 0
	for i := range links {
		w := o.site.dial(t, o.node)
		wg.Go(func() {
			defer w.raw.Close() // what is left afterwards is counted
			for {
				select {
				case <-stop:
					return
				case <-time.After(20 * time.Millisecond):
				}
				number, err := loadCard(i)
				if err != nil {
					t.Error(err)
					return
				}
				p := o.site.payment(number, 100)
				repeats, err := o.told(t, w, p)
				if err != nil {
					t.Errorf("RRN %s: %v", p.rrn, err)
					return
				}
				mu.Lock()
				rrns = append(rrns, p.rrn)
				again += repeats
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	t.Logf("%d advices and as many reversals, %d had to be told again", len(rrns), again)
	return rrns
}

// told tells of a payment that was approved elsewhere, and that it is taken back.
func (o *overload) told(t *testing.T, w *wire, p payment) (repeats int, err error) {
	advice := func(mti string) []byte {
		return o.site.write(t, p, mti, p.stan, p.transmitted, "", map[int]string{38: "STAND1", 39: "00"})
	}
	stan := fmt.Sprintf("%06d", o.site.serial.Add(1))
	reversal := func(mti string) []byte {
		return o.site.write(t, p, mti, stan, p.transmitted, "0120"+p.stan+p.transmitted+fmt.Sprintf("%011s%011d", fullAcquirer, 0))
	}
	for _, tell := range []struct {
		body       func(mti string) []byte
		mti, again string
	}{{advice, "0120", "0121"}, {reversal, "0420", "0421"}} {
		a, err := w.ask(tell.body(tell.mti))
		for ; err == nil && a.code == "91" && repeats < 60; repeats++ {
			a, err = w.ask(tell.body(tell.again))
		}
		if err != nil || a.code != "00" {
			return repeats, fmt.Errorf("%s was answered %q, %v", tell.mti, a.code, err)
		}
	}
	return repeats, nil
}

// inJournal finds both rows of each fact, and as many approvals as were received at least.
func (o *overload) inJournal(t *testing.T, store books) {
	t.Helper()
	advices, reversals, approvals := map[string]int{}, map[string]int{}, uint64(0)
	if err := query(t.Context(), store, func(r records.Row) {
		switch kind := authz.Kind(r.Int(1)); {
		case kind == authz.AuthorizationAdvice:
			advices[r.Text(0)]++
		case kind == authz.Reversal:
			reversals[r.Text(0)]++
		case authz.Reason(r.Int(2)) == authz.Approved:
			approvals++
		}
	}, "SELECT rrn, kind, reason FROM authorizations"); err != nil {
		t.Fatal(err)
	}
	for _, rrn := range o.facts {
		if advices[rrn] != 1 || reversals[rrn] != 1 {
			t.Errorf("RRN %s has %d advices and %d reversals in the journal", rrn, advices[rrn], reversals[rrn])
		}
	}
	if approvals < o.approved {
		t.Errorf("%d approvals were received, the journal has %d", o.approved, approvals)
	}
}

var doubtLine = regexp.MustCompile(`reason="?([^"=]*?)"? cause="?(.*?)"? left_out=(\d+)`)

// causes sums up why the node could not decide. It logs some of each reason a second, and how many it left out.
func (o *overload) causes(t *testing.T) {
	t.Helper()
	seen, left := map[string]int{}, map[string]int{}
	for line := range bytes.Lines(o.node.said.bytes()) {
		if m := doubtLine.FindSubmatch(line); m != nil {
			seen[string(m[1])+": "+string(m[2])]++
			left[string(m[1])] += atoi(m[3])
		}
	}
	for _, what := range slices.Sorted(maps.Keys(seen)) {
		t.Logf("%d times in the log: %.160s", seen[what], what)
	}
	t.Logf("left out of the log: %v", left)
}

func atoi(digits []byte) int {
	n, _ := strconv.Atoi(string(digits)) // a number by the pattern that found it
	return n
}
