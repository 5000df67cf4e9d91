//go:build unix

package main

import "syscall"

// lowest gives a process the lowest priority.
func lowest(pid int) error { return syscall.Setpriority(syscall.PRIO_PROCESS, pid, floodNice) }
