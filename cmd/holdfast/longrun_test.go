//go:build faults

package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/store/records"
)

const (
	longVariable    = "HOLDFAST_LONG"     // how long; empty: not at all
	longOutVariable = "HOLDFAST_LONG_OUT" // the folder of the results

	longMax     = 2 * time.Hour
	longSample  = 5 * time.Second
	longFault   = 30 * time.Second // between two faults
	longWarm    = 5 * time.Second  // at full load, to find what half of it is
	longRateMax = 3000             // payments a second, so that the books stay small enough to be checked at the end
	longCards   = 500
)

// longRun is a long run and what was seen of it.
type longRun struct {
	*nemesis
	load  *longLoad
	began time.Time

	samples []longPoint
	faults  []longHarm
	rate    int64 // half of what was reached

	counts string    // the folder in which the nodes say how many goroutines they have
	last   time.Time // sample
	so     [2]int64  // approvals and refusals at that moment
}

// longPoint is what a sample says: rates since the one before, and of each node its memory, goroutines and open files.
type longPoint struct {
	at                  time.Duration
	approvals, refusals float64 // a second
	memory              [2]float64
	goroutines, files   [2]int
	approved, refused   int64 // until then
}

// longHarm is a fault that was there, and how long it took after its end until both nodes approved again.
type longHarm struct {
	name         string
	at           time.Duration
	lasted, heal time.Duration
	refused      int64 // of its time
}

// Two nodes run for a long time at half of what they can do, and meet a fault every half minute. Nothing grows, and
// in the end the journal holds what the peer was told, the books are in order, and the cache says what they say.
func TestLong(t *testing.T) {
	lasting, err := time.ParseDuration(os.Getenv(longVariable))
	if os.Getenv(longVariable) == "" {
		t.Skip(longVariable + " says how long: make long LONG=20m")
	}
	if err != nil || lasting < time.Minute || lasting > longMax {
		t.Fatalf("%s is to be from a minute to %v", longVariable, longMax)
	}
	seed := chaosNumber(t, "HOLDFAST_CHAOS_SEED", 1)
	s := openSite(t, ownServers(t), plainListener, "--cards", strconv.Itoa(longCards))
	r := &longRun{nemesis: &nemesis{site: s, top: t, t: t, store: s.open(t), data: s.sql(t, "SHOW data_directory")[0],
		redis: s.redisInfo(t, "config_file")}, load: &longLoad{t: t, site: s}}
	r.counts = t.TempDir()
	t.Setenv(countVariable, r.counts)
	for i := range 2 {
		r.nodes = append(r.nodes, s.start(t, i+1))
	}
	for i := range longCards {
		number, err := loadCard(i)
		if err != nil {
			t.Fatal(err)
		}
		r.load.cards = append(r.load.cards, number)
	}
	before := r.warmUp()
	r.run(rand.New(rand.NewPCG(seed, 0)), lasting)
	r.load.end()
	r.settle(before)
	r.audit()
	r.flat()
	r.write(seed, lasting)
}

// whereabouts tells the load where the nodes listen.
func (r *longRun) whereabouts() {
	for i, n := range r.nodes {
		address := n.addresses["ascii"]
		r.load.addresses[i].Store(&address)
	}
}

// warmUp finds what the nodes can do, and what they are when nobody asks anything of them after that.
func (r *longRun) warmUp() (resting longPoint) {
	r.whereabouts()
	r.load.begin()
	lasts(longWarm / 2)
	from, began := r.load.approvals[0].Load()+r.load.approvals[1].Load(), time.Now()
	lasts(longWarm)
	most := float64(r.load.approvals[0].Load()+r.load.approvals[1].Load()-from) / time.Since(began).Seconds()
	r.load.end()
	if most < 2 {
		r.t.Fatal("the nodes approve nothing")
	}
	r.rate = min(longRateMax, int64(most/2))
	r.t.Logf("%.0f approvals a second at most, so %d a second", most, r.rate)
	lasts(2 * time.Second)
	return r.sample()
}

// run has faults met, and samples, until the time is over.
func (r *longRun) run(dice *rand.Rand, lasting time.Duration) {
	r.load.rate.Store(r.rate)
	r.began = time.Now()
	r.last = r.began
	r.load.begin()
	over := time.NewTimer(lasting)
	defer over.Stop()
	tick := time.NewTicker(longSample)
	defer tick.Stop()
	next := time.NewTicker(longFault)
	defer next.Stop()
	for {
		select {
		case <-over.C:
			return
		case <-tick.C:
			r.samples = append(r.samples, r.sample())
		case <-next.C:
			if time.Since(r.began) < lasting-longFault/2 {
				r.harm(harms[dice.IntN(len(harms))], dice)
			}
		}
	}
}

// harm does a fault, ends it after some seconds, and waits until both nodes approve again.
func (r *longRun) harm(h harm, dice *rand.Rand) {
	refused, began := r.load.refusals.Load(), time.Now()
	heal := h.begin(r.nemesis, dice.IntN(2))
	lasts(time.Duration(1000+dice.IntN(4000)) * time.Millisecond)
	heal()
	healed := time.Now()
	r.whereabouts()
	from := [2]int64{r.load.approvals[0].Load(), r.load.approvals[1].Load()}
	eventually(r.t, 2*resumeWithin, "approvals after "+h.name, func() error {
		for i := range from {
			if got := r.load.approvals[i].Load() - from[i]; got < longLinks {
				return fmt.Errorf("%d of node %d", got, i+1)
			}
		}
		return nil
	})
	r.faults = append(r.faults, longHarm{h.name, began.Sub(r.began), healed.Sub(began), time.Since(healed),
		r.load.refusals.Load() - refused})
}

// sample looks at the nodes now.
func (r *longRun) sample() (p longPoint) {
	now := time.Now()
	p.at, p.approved, p.refused = now.Sub(r.began), r.load.approvals[0].Load()+r.load.approvals[1].Load(), r.load.refusals.Load()
	if since := now.Sub(r.last).Seconds(); since > 0 {
		p.approvals, p.refusals = float64(p.approved-r.so[0])/since, float64(p.refused-r.so[1])/since
	}
	r.last, r.so = now, [2]int64{p.approved, p.refused}
	for i, n := range r.nodes {
		p.memory[i] = residentMiB(n.cmd.Process.Pid)
		p.files[i] = openFiles(r.t, n)
		if text, err := os.ReadFile(filepath.Join(r.counts, strconv.Itoa(n.cmd.Process.Pid))); err == nil {
			p.goroutines[i], _ = strconv.Atoi(string(text)) // half written: 0
		}
	}
	return p
}

// residentMiB is the memory that a process has now; 0 where the system does not tell.
func residentMiB(pid int) float64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseFloat(fields[1], 64)
	return pages * float64(os.Getpagesize()) / (1 << 20)
}

// settle waits until the nodes are as they were before.
func (r *longRun) settle(before longPoint) {
	const more = 12 // connections that are kept, and what closes them
	eventually(r.t, 30*time.Second, "goroutines and files as before", func() error {
		now := r.sample()
		for i := range now.files {
			if now.files[i] > before.files[i]+more || now.goroutines[i] > before.goroutines[i]+more {
				return fmt.Errorf("node %d has %d goroutines and %d files, had %d and %d", i+1, now.goroutines[i], now.files[i],
					before.goroutines[i], before.files[i])
			}
		}
		return nil
	})
}

// audit asks again what was not answered, and holds the journal against what was told: each approval is held once, and
// nothing else is.
func (r *longRun) audit() {
	var silent []outcome
	for _, body := range r.load.silent {
		m, err := r.dialect.Decode(body)
		if err != nil {
			r.t.Fatal(err)
		}
		silent = append(silent, outcome{answer: answer{rrn: m.Get(37)}, asked: body})
	}
	for _, o := range r.askAgain(silent) {
		n, _ := strconv.ParseInt(o.rrn, 10, 64)
		if o.approved() {
			r.load.note(n, wasApproved)
		}
	}
	eventually(r.t, sweepAgeMin+time.Minute, "the journal to say what was told", func() error {
		open, wrong := make([]byte, len(r.load.fates)), 0
		if err := query(r.t.Context(), r.store, func(row records.Row) {
			if n, _ := strconv.ParseInt(row.Text(0), 10, 64); n > 0 && n < int64(len(open)) {
				open[n]++
			} else {
				wrong++
			}
		}, "SELECT rrn FROM authorizations WHERE state = $1", int64(authz.StateAuthorized)); err != nil {
			return err
		}
		for n, f := range r.load.fates {
			if want := byte(boolInt(f == wasApproved)); open[n] != want {
				wrong++
			}
		}
		if wrong > 0 {
			return fmt.Errorf("%d payments are held otherwise than was told", wrong)
		}
		return nil
	})
	r.useEach(longCards)
	r.verify(r.t)
	r.cacheHeals(r.t, r.store)
}

// flat compares the memory of the last quarter with that of the second.
func (r *longRun) flat() {
	for i := range r.nodes {
		quarter := func(k int) float64 {
			part := r.samples[len(r.samples)*k/4 : len(r.samples)*(k+1)/4]
			var all []float64
			for _, p := range part {
				all = append(all, p.memory[i])
			}
			slices.Sort(all)
			return all[len(all)/2]
		}
		if then, now := quarter(1), quarter(3); now > 1.3*then+30 {
			r.t.Errorf("node %d has %.0f MiB, had %.0f in the second quarter", i+1, now, then)
		}
	}
}
