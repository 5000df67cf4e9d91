package main

import (
	"os"
	"os/signal"
	"runtime/pprof"
	"syscall"
)

func init() {
	if os.Getenv("XXPROF") == "" || len(os.Args) < 2 || os.Args[1] != "serve" {
		return
	}
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGUSR1)
	go func() {
		for range c {
			f, _ := os.Create(os.Getenv("XXPROF"))
			pprof.StartCPUProfile(f)
			<-c
			pprof.StopCPUProfile()
			f.Close()
		}
	}()
}
