package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestLogOfAFloodStaysSmallAndSaysWhatItLeftOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := slog.New(newQuietHandler(slog.NewTextHandler(&out, nil)))
		one := log.With("peer", "network")
		for range 10_000 {
			one.Info("format error")
			log.Error("panic recovered")
		}
		log.Info("link closed")
		lines := func(text string) int { return strings.Count(out.String(), text) }
		if lines("format error") != logLinesMax || lines("link closed") != 1 || lines("panic recovered") != 10_000 {
			t.Errorf("%d, %d and %d lines, want %d, 1 and 10000", lines("format error"), lines("link closed"),
				lines("panic recovered"), logLinesMax)
		}
		time.Sleep(time.Second) // of the bubble
		one.Info("format error")
		if want := `text="format error" lines=9950`; lines(want) != 1 {
			t.Errorf("what was left out is not told: %s", out.String()[max(0, out.Len()-300):])
		}
		if lines(`msg="format error"`) != logLinesMax+1 {
			t.Error("the next second starts with nothing to spend")
		}
	})
}
