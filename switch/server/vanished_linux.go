package server

import (
	"net"
	"syscall"
	"time"
)

// tcpUserTimeout is TCP_USER_TIMEOUT of tcp(7), which package syscall does not name.
const tcpUserTimeout = 18

// limitUnacknowledged has the system break the connection when what was sent is not acknowledged for so long.
func limitUnacknowledged(conn *net.TCPConn, most time.Duration) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return // broken already, as in tune
	}
	_ = raw.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(most.Milliseconds()))
	})
}
