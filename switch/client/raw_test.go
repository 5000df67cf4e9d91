package client_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"holdfast/switch/client"
	"holdfast/switch/frame"
)

// dialRaw connects a raw link to a socket that the test holds.
func dialRaw(t *testing.T, format string) (*client.Raw, net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	f, err := frame.Parse(format)
	if err != nil {
		t.Fatal(err)
	}
	r, err := client.DialRaw(context.Background(), ln.Addr().String(), f)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); conn.Close() })
	return r, conn
}

func TestRawWritesFramesAndAnythingElse(t *testing.T) {
	t.Parallel()
	r, conn := dialRaw(t, "ascii4+tpdu")
	if err := errors.Join(r.Write([]byte("hello")), r.WriteBytes([]byte("-001")), r.Write([]byte("x")), r.CloseWrite()); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(conn)
	if want := "0010\x60\x00\x00\x00\x00hello-0010006\x60\x00\x00\x00\x00x"; err != nil || string(got) != want {
		t.Errorf("on the wire: %q, %v", got, err)
	}
	if err := r.Write(make([]byte, 10_000)); !errors.Is(err, frame.ErrTooLong) {
		t.Errorf("too long: %v", err)
	}
}

func TestRawReadsWithinItsContext(t *testing.T) {
	t.Parallel()
	r, conn := dialRaw(t, "ascii4")
	write := func(s string) {
		if _, err := conn.Write([]byte(s)); err != nil {
			t.Fatal(err)
		}
	}
	read := func(ctx context.Context, want string) {
		t.Helper()
		if body, err := r.Read(ctx); err != nil || string(body) != want {
			t.Fatalf("read %q, %v, want %q", body, err, want)
		}
	}
	write("00000003one0003two00")
	read(context.Background(), "one")
	if r.Buffered() < 7 {
		t.Errorf("%d bytes buffered", r.Buffered())
	}
	read(context.Background(), "two")
	short, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := r.Read(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("deadline: %v", err)
	}
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := r.Read(cancelled); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	write("05three") // the half length from before is not lost
	read(context.Background(), "three")
	write("-001")
	var wrong *frame.LengthError
	if _, err := r.Read(context.Background()); !errors.As(err, &wrong) {
		t.Errorf("bad length: %v", err)
	}
	end, peer := dialRaw(t, "ascii4")
	peer.Close()
	if _, err := end.Read(context.Background()); err != io.EOF {
		t.Errorf("end: %v", err)
	}
}
