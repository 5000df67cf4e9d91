package server

import (
	"errors"
	"fmt"
	"time"

	"holdfast/switch/frame"
)

// Config says how the links of one listener behave. A zero stands for the default in the field's comment.
type Config struct {
	// Name is the listener's name, in logs and in Link.Listener; it is required.
	Name string
	// Format is how frames are laid out; the zero value is "bin2".
	Format frame.Format
	// Limits bounds the size of the frames that are accepted.
	Limits frame.Limits

	// LinksMax is how many links may be open at once; 0 means 1024.
	LinksMax int
	// InFlightMax is how many frames of one link may be unanswered before it is no longer read; 0 means 1024.
	InFlightMax int
	// UnsolicitedMax is how many frames of our own may wait to be written to one link; 0 means 16.
	UnsolicitedMax int
	// MalformedMax is the error budget of a link, in strikes; 0 means 3.
	MalformedMax int

	// IdleTimeout closes a link that has not begun a frame for so long; 0 means never.
	IdleTimeout time.Duration
	// FirstFrameTimeout closes a link on which no frame has ever begun for so long: whoever only connects may not
	// keep others out. 0 means that such a link is like any idle one.
	FirstFrameTimeout time.Duration
	// FrameTimeout is how long a started frame, or a TLS handshake, may take; 0 means 5 s.
	FrameTimeout time.Duration
	// WriteTimeout is how long the peer may take to accept what one write hands over; 0 means 5 s.
	WriteTimeout time.Duration
	// DrainTimeout is how long in-flight frames may take to be answered once a link is no longer read, or once the
	// server drains; 0 means 10 s.
	DrainTimeout time.Duration
	// QuietTimeout makes a draining link go on reading until its peer has been silent for so long, but for no more
	// than half of DrainTimeout, so that a peer which heeds the goodbye has every request answered; 0 means that
	// reading stops when the drain begins.
	QuietTimeout time.Duration
}

// Defaults replaces each zero by the value that it stands for.
func (c Config) Defaults() Config {
	c.Limits = c.Limits.Defaults()
	for _, d := range []struct {
		field *int
		value int
	}{{&c.LinksMax, 1024}, {&c.InFlightMax, 1024}, {&c.UnsolicitedMax, 16}, {&c.MalformedMax, 3}} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{{&c.FrameTimeout, 5 * time.Second}, {&c.WriteTimeout, 5 * time.Second}, {&c.DrainTimeout, 10 * time.Second}} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	return c
}

// Validate names the field that cannot be kept, zeros being read as their defaults.
func (c Config) Validate() error {
	c = c.Defaults()
	if c.Name == "" {
		return errors.New("the name of the listener (Name) is empty")
	}
	if err := c.Limits.Validate(); err != nil {
		return err
	}
	if c.Limits.FrameBytesMin > c.Format.BodyBytesMax() {
		return fmt.Errorf("FrameBytesMin is %d, %s allows %d", c.Limits.FrameBytesMin, c.Format, c.Format.BodyBytesMax())
	}
	for _, f := range []struct {
		name       string
		value, max int
	}{
		{"LinksMax", c.LinksMax, 1 << 20},
		{"InFlightMax", c.InFlightMax, 1 << 16},
		{"UnsolicitedMax", c.UnsolicitedMax, 1 << 10},
		{"MalformedMax", c.MalformedMax, 1 << 20},
	} {
		if f.value < 1 || f.value > f.max {
			return fmt.Errorf("%s is %d, want 1 to %d", f.name, f.value, f.max)
		}
	}
	for _, f := range []struct {
		name  string
		value time.Duration
		least time.Duration
	}{
		{"IdleTimeout", c.IdleTimeout, 0},
		{"FirstFrameTimeout", c.FirstFrameTimeout, 0},
		{"FrameTimeout", c.FrameTimeout, time.Millisecond},
		{"WriteTimeout", c.WriteTimeout, time.Millisecond},
		{"DrainTimeout", c.DrainTimeout, time.Millisecond},
		{"QuietTimeout", c.QuietTimeout, 0},
	} {
		if f.value < f.least {
			return fmt.Errorf("%s is %s, want at least %s", f.name, f.value, f.least)
		}
	}
	if c.QuietTimeout > c.DrainTimeout/2 {
		return fmt.Errorf("QuietTimeout is %s, want at most half of DrainTimeout, %s", c.QuietTimeout, c.DrainTimeout/2)
	}
	return nil
}
