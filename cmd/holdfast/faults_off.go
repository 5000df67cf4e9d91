//go:build !faults

package main

import "holdfast/authz"

// faulty are the stores as they are. Built with the tag faults, they die or lose replies where the environment says.
func faulty(j authz.Journal, h authz.Holds) (authz.Journal, authz.Holds) { return j, h }
