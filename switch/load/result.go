package load

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Counts is what became of the messages of a run.
type Counts struct {
	Offered    uint64 // were due
	Approved   uint64
	Declined   uint64 // in a benchmark a mistake of its setup
	Undecided  uint64 // answered, but the issuer could not decide in time
	Unanswered uint64 // due, and neither answered nor perhaps even sent
	Duplicates uint64 // answers to a message that was answered before
	Foreign    uint64 // answers that belong to no message of the link, or are not readable
}

func (c *Counts) add(o Counts) {
	c.Offered += o.Offered
	c.Approved += o.Approved
	c.Declined += o.Declined
	c.Undecided += o.Undecided
	c.Unanswered += o.Unanswered
	c.Duplicates += o.Duplicates
	c.Foreign += o.Foreign
}

// Answered is how many messages got an answer, whatever it said.
func (c Counts) Answered() uint64 { return c.Approved + c.Declined + c.Undecided }

// Result is what a run measured.
type Result struct {
	Counts
	// Elapsed is from the first message due to the last answer, or to the end of the run if that came later.
	Elapsed time.Duration
	// Latency is from the moment a message was due (open) or sent (closed) to its answer.
	Latency *Latency
	// Late is from the moment a message was due to its sending: the generator's own share of the latency, and
	// back-pressure. It is empty for a closed run.
	Late *Latency
	// Decoded is how many answers had to be decoded in full; many of them mean a slow generator.
	Decoded int
}

// ApprovedPerSecond is the throughput that was reached.
func (r *Result) ApprovedPerSecond() float64 {
	if r.Elapsed <= 0 {
		return 0
	}
	return float64(r.Approved) / r.Elapsed.Seconds()
}

// The histogram counts microseconds, to three significant digits.
const (
	latencyMax         = time.Minute
	significantFigures = 3
)

// Latency is a distribution of durations between 1 us and 1 min; what is outside counts as the nearer of the two.
// It is used by one goroutine at a time.
type Latency struct{ h *hdrhistogram.Histogram }

// NewLatency makes an empty distribution.
func NewLatency() *Latency {
	return &Latency{hdrhistogram.New(1, latencyMax.Microseconds(), significantFigures)}
}

// Record counts one duration.
func (l *Latency) Record(d time.Duration) {
	us := min(max((d+time.Microsecond/2).Microseconds(), 1), latencyMax.Microseconds())
	if err := l.h.RecordValue(us); err != nil {
		panic("load: internal error: a clamped duration is out of range")
	}
}

// Merge adds all that another distribution has counted.
func (l *Latency) Merge(o *Latency) { l.h.Merge(o.h) }

// Count is how many durations were recorded.
func (l *Latency) Count() int64 { return l.h.TotalCount() }

// At is the duration that percent of all do not exceed, percent being 0 to 100; zero when there are none.
func (l *Latency) At(percent float64) time.Duration {
	return time.Duration(l.h.ValueAtQuantile(percent)) * time.Microsecond
}

// Max is the longest duration.
func (l *Latency) Max() time.Duration { return time.Duration(l.h.Max()) * time.Microsecond }
