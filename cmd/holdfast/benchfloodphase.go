package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"holdfast/switch/load"
)

const (
	floodISO      = 2000   // authorizations per second beside the flood, unless --rate says otherwise
	floodRows     = 20_000 // of them in a turn: the embedded journal copies its log back once in as many, so once in each whole turn
	floodWarmUp   = 2 * time.Second
	floodReadFor  = 2 * time.Second
	floodReaders  = 8   // cards that are read at the same time when nothing else is done
	floodRatioMax = 1.5 // what the flood may do to the 99th percentile
	floodReadsMin = 300 // cards a second that a core must be able to show
)

// FloodReport is what a flood of calls of the management API did to the switch, and how many cards can be read.
type FloodReport struct {
	Offered    float64      `json:"flood_offered_per_second"`
	Asked      float64      `json:"flood_asked_per_second"` // who waits for an answer does not ask
	Answers    map[int]int  `json:"flood_answers_by_status"`
	ISO        float64      `json:"flood_authorizations_per_second"`
	P50Without float64      `json:"flood_p50_without_ms"` // of all turns together
	P50With    float64      `json:"flood_p50_with_ms"`
	P99Without float64      `json:"flood_p99_without_ms"`
	P99With    float64      `json:"flood_p99_with_ms"`
	Ratio      float64      `json:"flood_p99_ratio"`
	Turns      [][2]float64 `json:"flood_p99_turns_ms"` // without, with
	Reads      float64      `json:"card_reads_per_second"`
	ReadsCPU   float64      `json:"card_reads_per_cpu_second"` // of the switch's processor time
}

// measureFlood compares calm with flood in turns, after a warm-up of each in which the flood makes its connections, and then
// only reads cards. What counts are all the answers of each side together: what the switch does now and then by itself, and
// what the machine does, falls on both sides alike.
func (b *bench) measureFlood(all time.Duration) error {
	rate := b.Rate
	if rate == 0 {
		rate = floodISO
	}
	left := max(all-2*floodWarmUp-floodReadFor, 2*time.Second)
	turn := min(time.Duration(floodRows/rate*float64(time.Second)), left/2)
	turns := int(left / (2 * turn))
	for i := range 2 {
		if _, err := b.floodStep(&FloodReport{Answers: map[int]int{}}, rate, floodWarmUp, i == 1); err != nil {
			return err
		}
	}
	r := &FloodReport{Offered: floodRate, Answers: map[int]int{}, ISO: rate}
	sides := [2]*load.Latency{load.NewLatency(), load.NewLatency()}
	for range turns {
		p99 := [2]float64{}
		for i, side := range sides {
			one, err := b.floodStep(r, rate, turn, i == 1)
			if err != nil {
				return err
			}
			side.Merge(one)
			p99[i] = millis(one.At(99))
		}
		r.Turns = append(r.Turns, p99)
	}
	for _, n := range r.Answers {
		r.Asked += float64(n)
	}
	r.Asked = places(r.Asked/(float64(turns)*turn.Seconds()), 0)
	without, with := sides[0], sides[1]
	r.P50Without, r.P99Without = millis(without.At(50)), millis(without.At(99))
	r.P50With, r.P99With = millis(with.At(50)), millis(with.At(99))
	if r.P99Without > 0 {
		r.Ratio = places(r.P99With/r.P99Without, 2)
	}
	b.report.FloodReport = r
	return b.measureReads(r, floodReadFor)
}

// floodStep is one open load, with or without the flood beside it.
func (b *bench) floodStep(r *FloodReport, rate float64, d time.Duration, flooded bool) (*load.Latency, error) {
	name, order := "calm", floodOrder{}
	if flooded {
		name, order.PerSecond = "flooded", floodRate
	}
	if _, err := b.flood.order(order); err != nil {
		return nil, err
	}
	result, err := b.open(name, rate, d)
	answers, wrong := b.flood.order(floodOrder{})
	for status, n := range answers {
		r.Answers[status] += n
	}
	return result.Latency, errors.Join(err, wrong)
}

// measureReads counts the cards that are read when nothing else is done.
func (b *bench) measureReads(r *FloodReport, d time.Duration) error {
	began, before := time.Now(), b.child.cpu()
	_, err := b.flood.order(floodOrder{Readers: floodReaders})
	if err == nil {
		err = rest(b.env.ctx, d)
	}
	answers, wrong := b.flood.order(floodOrder{})
	read, used, took := float64(answers[http.StatusOK]), (b.child.cpu() - before).Seconds(), time.Since(began).Seconds()
	if err = errors.Join(err, wrong); err != nil {
		return err
	}
	if read == 0 {
		return fmt.Errorf("no card could be read")
	}
	r.Reads = places(read/took, 0)
	if used > 0 {
		r.ReadsCPU = places(read/used, 0)
	}
	return nil
}

// rest waits.
func rest(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// flooding is the process that floods, as the one that measures sees it.
type flooding struct {
	cmd    *exec.Cmd
	orders *json.Encoder
	told   *json.Decoder
	end    io.Closer
	said   bytes.Buffer // what went wrong
}

// startFlood starts it.
func startFlood(ctx context.Context, plan *floodPlan) (*flooding, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	f := &flooding{cmd: exec.CommandContext(ctx, self, "bench-flood")}
	cmd := f.cmd
	cmd.Stderr = &f.said
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	f.orders, f.told, f.end = json.NewEncoder(in), json.NewDecoder(out), in
	if err := errors.Join(lowest(cmd.Process.Pid), f.orders.Encode(plan)); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return f, nil
}

// order has something done until the next order, and returns what the one before came to.
func (f *flooding) order(o floodOrder) (answers map[int]int, err error) {
	if err = f.orders.Encode(o); err == nil {
		err = f.told.Decode(&answers)
	}
	if err != nil {
		err = fmt.Errorf("order the flood: %w", err)
	}
	return answers, err
}

func (f *flooding) close() error {
	err := errors.Join(f.end.Close(), f.cmd.Wait())
	if err != nil {
		err = fmt.Errorf("end the flood: %w: %s", err, &f.said)
	}
	return err
}

func (r *FloodReport) print(out io.Writer) {
	var answers []string
	for _, status := range slices.Sorted(maps.Keys(r.Answers)) {
		name := fmt.Sprint(status)
		if status == 0 {
			name = "none"
		}
		answers = append(answers, fmt.Sprintf("%s: %d", name, r.Answers[status]))
	}
	fmt.Fprintf(out, `
flood of %.0f calls/s, of which %.0f/s could be asked, beside %.0f authorizations/s, %d turns of each
  p50 %.2f ms without, %.2f ms with; p99 %.2f ms without, %.2f ms with: ratio %.2f (at most %.1f)
  answers by status: %s
cards read with JWE, alone: %.0f/s, %.0f for each second of the switch's processor time (at least %d)
`, r.Offered, r.Asked, r.ISO, len(r.Turns), r.P50Without, r.P50With, r.P99Without, r.P99With, r.Ratio, floodRatioMax,
		strings.Join(answers, ", "), r.Reads, r.ReadsCPU, floodReadsMin)
}
