//go:build faults

package main

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// write leaves the results as a page and a picture, whatever they say.
func (r *longRun) write(seed uint64, lasting time.Duration) {
	folder := os.Getenv(longOutVariable)
	if folder == "" {
		folder = r.t.TempDir()
	}
	for name, text := range map[string][]byte{"long.md": r.page(seed, lasting), "long.svg": drawLong(r.samples, r.faults)} {
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o644); err != nil {
			r.t.Error(err)
		}
		r.t.Logf("wrote %s", filepath.Join(folder, name))
	}
}

func (r *longRun) page(seed uint64, lasting time.Duration) []byte {
	var b bytes.Buffer
	outcome := "the journal holds what was told, `holdfast verify` finds nothing, the cache says what the books say, memory is flat"
	if r.t.Failed() {
		outcome = "**failed**: see the output of the run"
	}
	first, last := r.samples[0], r.samples[len(r.samples)-1]
	long := lasting.String()
	if strings.HasSuffix(long, "m0s") {
		long = strings.TrimSuffix(long, "0s")
	}
	fmt.Fprintf(&b, `# A long run

`+"`make long LONG=%s SEED=%d`"+`, %s, %d processors. Two nodes, PostgreSQL and Redis of their own, %d links, %d payments a second,
which is at most half of what the nodes did in the first seconds. A fault every %v.

![approvals and memory over time](long.svg)

| what | seen |
|---|---|
| in the end | %s |
| approved, those of the first seconds among them | %d |
| answered 91 | %d |
| without an answer, asked again in the end | %d |
| not sent, since a link had no room | %d |
| slowest answer | %v |
`, long, seed, time.Now().UTC().Format(time.DateOnly), runtime.NumCPU(), 2*longLinks, r.rate, longFault, outcome, last.approved,
		last.refused, len(r.load.silent), r.load.left.Load(), time.Duration(r.load.slowest.Load()).Round(time.Millisecond))
	for i := range r.nodes {
		fmt.Fprintf(&b, "| node %d after %v, in the end | %.0f, %.0f MiB; %d, %d goroutines; %d, %d open files |\n", i+1,
			first.at.Round(time.Second), first.memory[i], last.memory[i], first.goroutines[i], last.goroutines[i], first.files[i], last.files[i])
	}
	b.WriteString("\n| at | fault | lasted | answered 91 | both nodes approve again after |\n|---|---|---|---|---|\n")
	for _, f := range r.faults {
		fmt.Fprintf(&b, "| %v | %s | %.1f s | %d | %.1f s |\n", f.at.Round(time.Second), f.name, f.lasted.Seconds(), f.refused, f.heal.Seconds())
	}
	return b.Bytes()
}

// drawLong draws approvals a second and the memory of both nodes over time, with a line for each fault.
func drawLong(samples []longPoint, faults []longHarm) []byte {
	var mostRate, mostMemory, end float64
	for _, p := range samples {
		mostRate, mostMemory = max(mostRate, p.approvals), max(mostMemory, p.memory[0], p.memory[1])
		end = max(end, p.at.Seconds())
	}
	x := func(at time.Duration) float64 {
		return pictureLeft + at.Seconds()/end*(pictureWidth-pictureLeft-pictureTop-pictureRight)
	}
	y := func(v, most float64) float64 {
		return pictureHeight - pictureBottom - v/most*(pictureHeight-pictureTop-pictureBottom)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">
<rect width="100%%" height="100%%" fill="white"/>
<text x="%d" y="22" font-size="14">Approvals a second, and memory of both nodes; a grey line is a fault</text>
`, pictureWidth, pictureHeight, pictureLeft)
	for _, f := range faults {
		fmt.Fprintf(&b, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="#bbb"/>`+"\n", x(f.at), pictureTop, x(f.at), pictureHeight-pictureBottom)
	}
	axis := func(most float64, at int, anchor, colour string) float64 {
		step := tickStep(most)
		top := step * math.Ceil(max(most, step)/step)
		for v := 0.0; v <= top*1.001; v += step {
			fmt.Fprintf(&b, `<text x="%d" y="%.1f" text-anchor="%s" fill="%s">%g</text>`+"\n", at, y(v, top)+4, anchor, colour, places(v, 6))
		}
		return top
	}
	curve := func(colour string, most float64, value func(longPoint) float64) {
		fmt.Fprintf(&b, `<polyline fill="none" stroke="%s" stroke-width="1.5" points="`, colour)
		for _, p := range samples {
			fmt.Fprintf(&b, "%.1f,%.1f ", x(p.at), y(value(p), most))
		}
		b.WriteString("\"/>\n")
	}
	rates := axis(mostRate, pictureLeft-8, "end", "#1f77b4")
	curve("#1f77b4", rates, func(p longPoint) float64 { return p.approvals })
	memory := axis(mostMemory, pictureWidth-pictureTop-pictureRight+8, "start", "#d62728")
	for i, colour := range []string{"#d62728", "#ff7f0e"} {
		curve(colour, memory, func(p longPoint) float64 { return p.memory[i] })
	}
	for minute := time.Duration(0); minute.Seconds() <= end; minute += time.Duration(max(1, tickStep(end/60))) * time.Minute {
		fmt.Fprintf(&b, `<text x="%.1f" y="%d" text-anchor="middle">%g</text>`+"\n", x(minute), pictureHeight-pictureBottom+18, minute.Minutes())
	}
	fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle">minutes</text>
<text x="18" y="%d" text-anchor="middle" fill="#1f77b4" transform="rotate(-90 18 %d)">approvals a second</text>
<text x="%d" y="%d" text-anchor="middle" fill="#d62728" transform="rotate(-90 %d %d)">MiB</text>
</svg>
`, pictureWidth/2, pictureHeight-12, pictureHeight/2, pictureHeight/2, pictureWidth-8, pictureHeight/2, pictureWidth-8, pictureHeight/2)
	return b.Bytes()
}

// The page and the picture stand also when a run is short and met nothing.
func TestLongReport(t *testing.T) {
	t.Parallel()
	r := &longRun{nemesis: &nemesis{t: t, nodes: make([]*fullNode, 2)}, load: &longLoad{}, rate: 100,
		samples: []longPoint{{at: 5 * time.Second, approvals: 99, approved: 495, memory: [2]float64{40, 50}}}}
	if page := string(r.page(7, time.Minute)); !strings.Contains(page, "LONG=1m SEED=7") || !strings.Contains(page, "among them | 495 |") {
		t.Errorf("the page says\n%s", page)
	}
	if svg := string(drawLong(r.samples, nil)); strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") || !strings.HasSuffix(svg, "</svg>\n") {
		t.Errorf("the picture is\n%s", svg)
	}
}
