//go:build !linux

package server

import (
	"net"
	"time"
)

// limitUnacknowledged is left to the system's own limits.
func limitUnacknowledged(*net.TCPConn, time.Duration) {}
