//go:build !faults

package main

import (
	"time"

	"holdfast/authz"
)

// faulty are the stores as they are. Built with the tag faults, they die or lose replies where the environment says.
func faulty(j authz.Journal, h authz.Holds) (authz.Journal, authz.Holds) { return j, h }

// steps says that the clock may be stepped. stepped is the time by a clock that was; here it was not.
const steps = false

func stepped(t time.Time) time.Time { return t }
