package client

import (
	"context"
	"fmt"
	"net"
	"time"

	"holdfast/switch/frame"
)

const rawWriteTimeout = 5 * time.Second

// Raw is a link of frames whose content nobody looks at: for replay of malformed messages and for load. One goroutine
// may write while another reads; neither side is for two at once.
type Raw struct {
	conn   net.Conn
	format frame.Format
	reader *frame.Reader
	buf    []byte
}

// DialRaw connects to a switch over plain TCP. The caller closes the link.
func DialRaw(ctx context.Context, addr string, format frame.Format) (*Raw, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("dial raw: %w", err)
	}
	return NewRaw(conn, format), nil
}

// NewRaw makes a link of a connection, which it closes in the end.
func NewRaw(conn net.Conn, format frame.Format) *Raw {
	limits := frame.Limits{FrameBytesMin: 1, FrameBytesMax: frame.BytesMax}
	return &Raw{conn: conn, format: format, reader: frame.NewReader(conn, format, limits)}
}

// Write sends one frame with the body, in one write. On formats with a header it is the one of a first frame.
func (r *Raw) Write(body []byte) error {
	var header [16]byte
	framed, err := r.format.Append(r.buf[:0], r.format.FirstHeader(header[:0]), body)
	if err != nil {
		return fmt.Errorf("write raw frame: %w", err)
	}
	r.buf = framed
	return r.WriteBytes(framed)
}

// WriteBytes sends bytes as they are: frames that were built before, several at once, or what is no frame at all.
func (r *Raw) WriteBytes(p []byte) error {
	err := r.conn.SetWriteDeadline(time.Now().Add(rawWriteTimeout))
	if err == nil {
		_, err = r.conn.Write(p)
	}
	if err != nil {
		return fmt.Errorf("write raw bytes: %w", err)
	}
	return nil
}

// Read returns the body of the next frame; keep-alives are passed over. The slice is valid until the next Read. It
// is io.EOF, unwrapped, when the peer has closed the link between two frames, and wraps the context's error when
// ctx ended first; then Read may be called again and nothing that arrived is lost.
func (r *Raw) Read(ctx context.Context) ([]byte, error) {
	deadline, _ := ctx.Deadline()
	if err := r.conn.SetReadDeadline(deadline); err != nil {
		return nil, fmt.Errorf("read raw frame: %w", err)
	}
	if ctx.Done() != nil {
		done := make(chan struct{})
		stop := context.AfterFunc(ctx, func() {
			defer close(done)
			_ = r.conn.SetReadDeadline(past) // fails only on a closed connection
		})
		defer func() {
			if !stop() {
				<-done // or it would spoil the deadline of the next call
			}
		}()
	}
	for {
		_, body, err := r.reader.Next()
		if err != nil {
			return nil, readError(ctx, err)
		}
		if body != nil {
			return body, nil
		}
	}
}

func readError(ctx context.Context, err error) error {
	if timeout, ok := err.(interface{ Unwrap() error }); ok {
		if n, isNet := timeout.Unwrap().(net.Error); isNet && n.Timeout() {
			if _, has := ctx.Deadline(); has || ctx.Err() != nil {
				<-ctx.Done() // the socket's clock and the context's may differ by a moment
				return fmt.Errorf("read raw frame: %w", ctx.Err())
			}
		}
	}
	return err
}

// Buffered is the number of bytes that have arrived and were not returned: when it covers a frame, Read does not wait.
func (r *Raw) Buffered() int { return r.reader.Buffered() }

// CloseWrite ends our side of the link; answers can still be read.
func (r *Raw) CloseWrite() error {
	if half, ok := r.conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Close closes the link, at once.
func (r *Raw) Close() error { return r.conn.Close() }
