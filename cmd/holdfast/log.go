package main

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// What a peer can cause, it can cause a million times: one link that sends nonsense must not fill the disk
// under the data folder. Of each text so many lines are written a second, and the others are counted.
const (
	logLinesMax = 50 // of one text in one second
	logTextsMax = 256
)

// quietHandler passes records on within logLinesMax a text and second. Errors always pass.
type quietHandler struct {
	slog.Handler
	spent *spentLines
}

// spentLines is shared by all handlers that were derived from one.
type spentLines struct {
	mu sync.Mutex

	second int64
	lines  map[string]int
}

func newQuietHandler(h slog.Handler) slog.Handler {
	return quietHandler{h, &spentLines{lines: make(map[string]int)}}
}

// Handle implements [slog.Handler]. The first line of a second that follows suppressed ones is preceded by
// their number.
func (h quietHandler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelError {
		return h.Handler.Handle(ctx, r)
	}
	write, missed := h.spent.take(r.Message, r.Time)
	for text, n := range missed {
		note := slog.NewRecord(r.Time, slog.LevelWarn, "lines left out", 0)
		note.AddAttrs(slog.String("text", text), slog.Int("lines", n))
		if err := h.Handler.Handle(ctx, note); err != nil {
			return err
		}
	}
	if !write {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements [slog.Handler].
func (h quietHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return quietHandler{h.Handler.WithAttrs(attrs), h.spent}
}

// WithGroup implements [slog.Handler].
func (h quietHandler) WithGroup(name string) slog.Handler {
	return quietHandler{h.Handler.WithGroup(name), h.spent}
}

// take says whether a line of the text may be written, and what was left out in the seconds before.
func (s *spentLines) take(text string, at time.Time) (write bool, missed map[string]int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if second := at.Unix(); second != s.second {
		for text, n := range s.lines {
			if n > logLinesMax {
				if missed == nil {
					missed = make(map[string]int)
				}
				missed[text] = n - logLinesMax
			}
		}
		s.second = second
		clear(s.lines)
	}
	if _, known := s.lines[text]; !known && len(s.lines) >= logTextsMax {
		return false, missed
	}
	s.lines[text]++
	return s.lines[text] <= logLinesMax, missed
}
