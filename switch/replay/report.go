package replay

import (
	"slices"
	"time"

	"holdfast/switch/iso"
)

// differencesMax bounds how many differences a report lists; all are counted.
const differencesMax = 1000

// Report is what came of a trace.
type Report struct {
	Steps, Sent, Answered int
	Strays                int // frames of the peer that answered no step
	Differing             int // how many differences there were; Differences lists the first of them
	Differences           []Difference
	Took                  time.Duration

	latencies []time.Duration
}

// Latency is how long answers took, from the last byte sent to the last byte read.
type Latency struct{ P50, P95, P99, Max time.Duration }

// Latency summarises the answers that came; it is zero when there were none.
func (r *Report) Latency() Latency {
	n := len(r.latencies)
	if n == 0 {
		return Latency{}
	}
	sorted := slices.Clone(r.latencies)
	slices.Sort(sorted)
	at := func(percent int) time.Duration { return sorted[(n*percent+99)/100-1] }
	return Latency{P50: at(50), P95: at(95), P99: at(99), Max: sorted[n-1]}
}

// Outcome is what came of one step.
type Outcome struct {
	Step        *Step
	Number      int // of the step in the trace, from 1
	Round       int // of the repetition, from 1
	Sent        *iso.Message
	Answer      *iso.Message // nil when none came or none was waited for
	Latency     time.Duration
	Differences []Difference
}

func (r *Report) add(o *Outcome) {
	if o.Answer != nil {
		r.Answered++
		r.latencies = append(r.latencies, o.Latency)
	}
	r.Differing += len(o.Differences)
	room := min(len(o.Differences), differencesMax-len(r.Differences))
	r.Differences = append(r.Differences, o.Differences[:room]...)
}
