package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"text/tabwriter"
	"time"

	"holdfast/switch/load"
)

// benchReport is what a bench found, as its JSON file has it. Latencies are milliseconds.
type benchReport struct {
	Store              string   `json:"store"`
	Seconds            int      `json:"seconds"`
	ApprovalsPerSecond float64  `json:"approvals_per_second"` // the capacity
	OfferedPerSecond   float64  `json:"offered_per_second"`   // of the open-loop part, as the following ones
	ApprovedAtOffered  float64  `json:"approved_at_offered_per_second"`
	P50                float64  `json:"p50_ms"`
	P99                float64  `json:"p99_ms"`
	P999               float64  `json:"p999_ms"`
	Max                float64  `json:"max_ms"`
	LateP99            float64  `json:"generator_late_p99_ms"` // how late the generator sent: a part of the latency
	CPU                benchCPU `json:"cpu_us_per_authorization"`

	SingleP50   float64 `json:"single_p50_ms"`
	SingleP99   float64 `json:"single_p99_ms"`
	SixteenP50  float64 `json:"sixteen_p50_ms"`
	SixteenP99  float64 `json:"sixteen_p99_ms"`
	CapacityP50 float64 `json:"capacity_p50_ms"`
	CapacityP99 float64 `json:"capacity_p99_ms"`

	// At the capacity, where batches are full.
	CapacityCPU benchCPU `json:"capacity_cpu_us_per_authorization"`

	// At 70 % of the capacity, which the load above need not be near.
	HighPerSecond float64 `json:"approved_at_70_percent_of_capacity_per_second"`
	HighP50       float64 `json:"p50_at_70_percent_of_capacity_ms"`
	HighP99       float64 `json:"p99_at_70_percent_of_capacity_ms"`

	// With the full stores only.
	*Bounds
	RatioToBound     float64 `json:"ratio_to_bound,omitempty"`
	OnePartnerToMany float64 `json:"one_partner_to_many,omitempty"`
	Partners         int     `json:"partners,omitempty"`
	OnePerSecond     float64 `json:"one_partner_per_second,omitempty"` // beside the following one, in turns with it
	ManyPerSecond    float64 `json:"many_partners_per_second,omitempty"`

	*FloodReport // with --flood only, and then nothing else

	MemoryMiB         float64 `json:"memory_mib"` // largest resident set of the switch
	Cards             int     `json:"cards"`
	Links             int     `json:"links"`
	Unanswered        uint64  `json:"unanswered"`
	Undecided         uint64  `json:"undecided"`
	Declined          uint64  `json:"declined"`
	Duplicates        uint64  `json:"duplicates"`
	ApprovalsReceived uint64  `json:"approvals_received"`
	ApprovalsJournal  uint64  `json:"approvals_in_journal"`
	VerifyViolations  int     `json:"verify_violations"`
	GoVersion         string  `json:"go_version"`
	Cores             int     `json:"cores"`
}

// benchCPU is microseconds of CPU time for each approval of a part.
type benchCPU struct {
	Switch    float64 `json:"switch"`
	Redis     float64 `json:"redis"`
	Postgres  float64 `json:"postgres"`
	Generator float64 `json:"generator"`
}

// Bounds are what each part reaches alone, in authorizations per second; the least of them is the first.
type Bounds struct {
	Least    float64 `json:"bound_per_second"`
	Redis    float64 `json:"bound_redis_per_second"`    // the hold script, 256 a call
	Postgres float64 `json:"bound_postgres_per_second"` // the arbiter's commit, 256 a transaction
	Codec    float64 `json:"bound_codec_per_second"`    // messages in and out of sockets, everything approved
}

// each divides what was used by the approvals.
func (t benchTimes) each(result *load.Result) benchCPU {
	n := float64(result.Approved)
	if n == 0 {
		return benchCPU{}
	}
	of := func(d time.Duration) float64 { return places(float64(d.Microseconds())/n, 1) }
	return benchCPU{Switch: of(t.child), Redis: of(t.redis), Postgres: of(t.postgres), Generator: of(t.own)}
}

// places rounds for people; the machine's noise is far larger.
func places(v float64, n int) float64 {
	scale := math.Pow10(n)
	return math.Round(v*scale) / scale
}

func millis(d time.Duration) float64 { return places(float64(d)/float64(time.Millisecond), 3) }

// phases takes over the closed-loop parts.
func (r *benchReport) phases(one, few, most *load.Result) {
	r.SingleP50, r.SingleP99 = millis(one.Latency.At(50)), millis(one.Latency.At(99))
	r.SixteenP50, r.SixteenP99 = millis(few.Latency.At(50)), millis(few.Latency.At(99))
	r.CapacityP50, r.CapacityP99 = millis(most.Latency.At(50)), millis(most.Latency.At(99))
	r.ApprovalsPerSecond = places(most.ApprovedPerSecond(), 0)
}

// high takes over the open load near the capacity.
func (r *benchReport) high(result *load.Result) {
	r.HighPerSecond = places(result.ApprovedPerSecond(), 0)
	r.HighP50, r.HighP99 = millis(result.Latency.At(50)), millis(result.Latency.At(99))
}

// open takes over the open-loop part.
func (r *benchReport) open(rate float64, result *load.Result, used benchTimes) {
	r.OfferedPerSecond = places(rate, 0)
	r.ApprovedAtOffered = places(result.ApprovedPerSecond(), 0)
	r.P50, r.P99, r.P999 = millis(result.Latency.At(50)), millis(result.Latency.At(99)), millis(result.Latency.At(99.9))
	r.Max, r.LateP99 = millis(result.Latency.Max()), millis(result.Late.At(99))
	r.CPU = used.each(result)
}

// complete adds what is known at the end.
func (r *benchReport) complete(c *benchCmd, counts load.Counts) {
	r.Store, r.Seconds, r.Cards, r.Links = c.Store, c.Seconds, c.Cards, c.Links
	r.Unanswered, r.Undecided = counts.Unanswered, counts.Undecided
	r.Declined, r.Duplicates = counts.Declined, counts.Duplicates
	if r.Bounds != nil {
		r.RatioToBound = places(r.ApprovalsPerSecond/r.Least, 3)
	}
	r.MemoryMiB = places(r.MemoryMiB, 1)
	r.GoVersion, r.Cores = runtime.Version(), runtime.NumCPU()
}

func (r *benchReport) save(path string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err == nil {
		err = os.WriteFile(path, append(text, '\n'), 0o644)
	}
	if err != nil {
		return fmt.Errorf("write the figures: %w", err)
	}
	return nil
}

func (r *benchReport) print(out io.Writer) error {
	if r.FloodReport != nil {
		r.FloodReport.print(out)
		return r.printAudit(out)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "load\tper second\tp50 ms\tp99 ms\tp99.9 ms\t\n")
	fmt.Fprintf(w, "1 in flight\t\t%.2f\t%.2f\t\t\n", r.SingleP50, r.SingleP99)
	fmt.Fprintf(w, "16 in flight\t\t%.2f\t%.2f\t\t\n", r.SixteenP50, r.SixteenP99)
	fmt.Fprintf(w, "capacity, 1024 in flight\t%.0f\t%.2f\t%.2f\t\t\n", r.ApprovalsPerSecond, r.CapacityP50, r.CapacityP99)
	fmt.Fprintf(w, "open loop, 70 %% of it\t%.0f\t%.2f\t%.2f\t\t\n", r.HighPerSecond, r.HighP50, r.HighP99)
	fmt.Fprintf(w, "open loop at %.0f/s\t%.0f\t%.2f\t%.2f\t%.2f\t\n", r.OfferedPerSecond, r.ApprovedAtOffered, r.P50, r.P99, r.P999)
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print the figures: %w", err)
	}
	r.printFull(out)
	fmt.Fprintf(out, `
CPU per authorization, us          switch  redis  postgres  generator
  at the capacity               %9.1f %6.1f %9.1f %10.1f
  open loop                     %9.1f %6.1f %9.1f %10.1f
`, r.CapacityCPU.Switch, r.CapacityCPU.Redis, r.CapacityCPU.Postgres, r.CapacityCPU.Generator,
		r.CPU.Switch, r.CPU.Redis, r.CPU.Postgres, r.CPU.Generator)
	return r.printAudit(out)
}

// printAudit tells whether the books agree with what was answered.
func (r *benchReport) printAudit(out io.Writer) error {
	_, err := fmt.Fprintf(out, `largest memory of the switch %.1f MiB
approvals received %d, in the journal %d; declined %d, undecided %d, unanswered %d, answered twice %d
verify: %d violations; store %s, %d cards, %d links, %d cores, %s
`, r.MemoryMiB, r.ApprovalsReceived, r.ApprovalsJournal, r.Declined, r.Undecided,
		r.Unanswered, r.Duplicates, r.VerifyViolations, r.Store, r.Cards, r.Links, r.Cores, r.GoVersion)
	if err != nil {
		return fmt.Errorf("print the figures: %w", err)
	}
	return nil
}

// printFull adds what only the full stores have.
func (r *benchReport) printFull(out io.Writer) {
	if r.ManyPerSecond > 0 {
		fmt.Fprintf(out, "\none partner %.0f/s, %d partners %.0f/s: ratio %.2f\n", r.OnePerSecond, r.Partners, r.ManyPerSecond,
			r.OnePartnerToMany)
	}
	if r.Bounds != nil {
		fmt.Fprintf(out, "\nalone: redis script %.0f/s, postgres commit %.0f/s, codec and sockets %.0f/s; %.2f of the least is reached\n",
			r.Redis, r.Postgres, r.Codec, r.RatioToBound)
	}
}
