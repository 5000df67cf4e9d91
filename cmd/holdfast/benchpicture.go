package main

import (
	"bytes"
	"fmt"
	"math"
	"time"
)

// The picture's field and the margins around it, in pixels.
const (
	pictureWidth, pictureHeight = 640, 360
	pictureLeft, pictureTop     = 70, 40
	pictureRight, pictureBottom = 20, 50
	pictureTicks                = 5
)

// drawSweep draws latency against offered load: a line for the median and one for the 99th percentile.
func drawSweep(points []sweepPoint) []byte {
	var loadMax, latencyMax float64
	for _, p := range points {
		loadMax, latencyMax = max(loadMax, p.perSecond), max(latencyMax, millis(p.p99))
	}
	loadStep, latencyStep := tickStep(loadMax), tickStep(latencyMax)
	loadMax, latencyMax = loadStep*math.Ceil(loadMax/loadStep), latencyStep*math.Ceil(latencyMax/latencyStep)
	x := func(perSecond float64) float64 {
		return pictureLeft + perSecond/loadMax*(pictureWidth-pictureLeft-pictureRight)
	}
	y := func(ms float64) float64 {
		return pictureHeight - pictureBottom - ms/latencyMax*(pictureHeight-pictureTop-pictureBottom)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">
<rect width="100%%" height="100%%" fill="white"/>
<text x="%d" y="22" font-size="14">Latency of an answer against offered load, from the moment a message was due</text>
`, pictureWidth, pictureHeight, pictureLeft)
	for v := 0.0; v <= loadMax*1.001; v += loadStep {
		fmt.Fprintf(&b, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="#ddd"/>
<text x="%.1f" y="%d" text-anchor="middle">%g</text>
`,
			x(v), pictureTop, x(v), pictureHeight-pictureBottom, x(v), pictureHeight-pictureBottom+18, places(v, 6))
	}
	for v := 0.0; v <= latencyMax*1.001; v += latencyStep {
		fmt.Fprintf(&b, `<line x1="%d" y1="%.1f" x2="%d" y2="%.1f" stroke="#ddd"/>
<text x="%d" y="%.1f" text-anchor="end">%g</text>
`,
			pictureLeft, y(v), pictureWidth-pictureRight, y(v), pictureLeft-8, y(v)+4, places(v, 6))
	}
	fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle">messages per second</text>
<text x="18" y="%d" text-anchor="middle" transform="rotate(-90 18 %d)">milliseconds</text>
`, pictureWidth/2, pictureHeight-12, pictureHeight/2, pictureHeight/2)
	curve := func(name, colour string, latency func(sweepPoint) time.Duration) {
		fmt.Fprintf(&b, `<polyline fill="none" stroke="%s" stroke-width="2" points="`, colour)
		for _, p := range points {
			fmt.Fprintf(&b, "%.1f,%.1f ", x(p.perSecond), y(millis(latency(p))))
		}
		last := points[len(points)-1]
		fmt.Fprintf(&b, `"/><text x="%.1f" y="%.1f" text-anchor="end" fill="%s">%s</text>`+"\n",
			x(last.perSecond), y(millis(latency(last)))-6, colour, name)
	}
	curve("p50", "#1f77b4", func(p sweepPoint) time.Duration { return p.p50 })
	curve("p99", "#d62728", func(p sweepPoint) time.Duration { return p.p99 })
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// tickStep is 1, 2 or 5 times a power of ten, so that about pictureTicks of them reach top.
func tickStep(top float64) float64 {
	if top <= 0 {
		return 1
	}
	rough := top / pictureTicks
	unit := math.Pow(10, math.Floor(math.Log10(rough)))
	for _, step := range []float64{1, 2, 5} {
		if step*unit >= rough {
			return step * unit
		}
	}
	return 10 * unit
}
