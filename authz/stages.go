package authz

import (
	"math/bits"
	"time"
)

// Stage is a part of the way of a request to its row in the journal.
type Stage uint8

// The stages, in their order. A batch goes through the last three together, so each of its requests has the time that all
// of them took.
const (
	StageWaited  Stage = iota // since it was received, until its lane took it up
	StageChecked              // its card was looked up, its evidence verified, its checks were made
	StageHeld                 // the cache placed what the batch holds, or refused it
	// StageHanded ended when the commit began that has its row: it waited for its turn at the journal. When it was decided
	// more than once, the commits that refused it as stale are in it, too.
	StageHanded
	StageCount // how many there are
)

var stageNames = [StageCount]string{"waited", "checked", "held", "handed over"}

// String is the stage's name for people.
func (s Stage) String() string {
	if s >= StageCount {
		return "undefined"
	}
	return stageNames[s]
}

// Stages says how long a request spent in each stage, in one number for its row. What follows, the commit and the answer,
// cannot be in a row that is written before. Zero says nothing: of a row that is older than this, or that no message made.
//
// It is, from the lowest bit, four durations of 15 bits and how often the request was decided. A duration is in
// microseconds: 4 bits of exponent above 11 of fraction, the form of a small float. A linear field of 15 bits would have to
// choose between a stage of ten microseconds and a queue of seconds; this one is exact up to 4 ms, right to a part in 2048
// up to 67 s, behind which it stays, and grows with what it stands for. The durations are the stages' own, not the time
// since the beginning, so a short stage is as sharp behind a long one.
type Stages int64

const (
	fractionBits = 11
	stageBits    = 15
	stageMax     = 1<<stageBits - 1
)

// spans measures the stages of a request, in nanoseconds.
type spans struct {
	at    int64 // when the last one ended, as [Authorizer.since] counts
	spent [StageCount]int64
}

// end ends a stage. Where the clock was set back, it takes no time.
func (s *spans) end(stage Stage, now int64) {
	if now > s.at {
		s.spent[stage] += now - s.at
		s.at = now
	}
}

// pack makes the number of a row that was decided so many times, at least once.
func (s *spans) pack(rounds int) Stages {
	n := uint64(min(rounds, roundsMax))
	for i := len(s.spent) - 1; i >= 0; i-- {
		micros := uint64(s.spent[i] / int64(time.Microsecond))
		shift := max(bits.Len64(micros)-fractionBits-1, 0)
		n = n<<stageBits | min(uint64(shift)<<fractionBits+micros>>shift, stageMax)
	}
	return Stages(n)
}

// Known reports whether it says anything.
func (s Stages) Known() bool { return s != 0 }

// Of is how long a stage took; 0 where nothing is known.
func (s Stages) Of(stage Stage) time.Duration {
	field := int64(s) >> (stageBits * stage) & stageMax
	shift := max(field>>fractionBits-1, 0)
	return time.Duration((field-shift<<fractionBits)<<shift) * time.Microsecond
}

// Total is from the request to the beginning of the commit that has its row.
func (s Stages) Total() (total time.Duration) {
	for stage := range StageCount {
		total += s.Of(stage)
	}
	return total
}

// Rounds is how often it was decided: more than once where the journal knew better than the cache.
func (s Stages) Rounds() int { return int(s >> (stageBits * StageCount)) }

// mark ends a stage of a batch.
func (l *lane) mark(batch []*item, stage Stage) {
	now := l.a.since(l.a.cfg.Now())
	for _, it := range batch {
		it.spans.end(stage, now)
	}
}
