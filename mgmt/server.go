package mgmt

import (
	"context"
	"crypto/tls"
	"errors"
	"log"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// Listener is one address of the management API.
type Listener struct {
	Net     net.Listener
	TLS     *tls.Config // nil: plain, for the loopback only
	Handler http.Handler
}

// Timeouts and sizes of our HTTP servers. Headers may carry a public key of 4 KiB beside the usual ones.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 15 * time.Second
	writeTimeout      = 30 * time.Second
	idleTimeout       = 60 * time.Second
	headerBytesMax    = 16 << 10
	drainTimeout      = 5 * time.Second
)

// connectionsUsual is how many connections a listener has at most, unless told otherwise.
const connectionsUsual = 512

// Serve serves the listeners until ctx ends, then lets what is being answered finish, within seconds. It returns
// when all of it has ended; a listener that fails ends the others.
func Serve(ctx context.Context, connectionsMax int, logger *slog.Logger, listeners ...Listener) error {
	if connectionsMax == 0 {
		connectionsMax = connectionsUsual
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	errs := make([]error, 2*len(listeners))
	for i, l := range listeners {
		srv := &http.Server{Handler: l.Handler, TLSConfig: l.TLS, ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout,
			WriteTimeout: writeTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: headerBytesMax,
			ErrorLog: log.New(quiet{logger}, "", 0)}
		ln := bound(l.Net, connectionsMax)
		if l.TLS != nil {
			ln = tls.NewListener(ln, l.TLS)
		}
		wg.Go(func() {
			if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
				errs[2*i] = err
				stop()
			}
		})
		wg.Go(func() {
			<-ctx.Done()
			closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
			defer cancel()
			if err := srv.Shutdown(closing); err != nil {
				errs[2*i+1] = srv.Close() // what is still being answered then is cut
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// quiet counts what net/http says about connections as news of the lowest level: strangers cause it at will, and
// its text holds what they sent.
type quiet struct{ log *slog.Logger }

// Write implements io.Writer.
func (q quiet) Write(text []byte) (int, error) {
	q.log.Debug("a connection of the management API failed", slog.Int("bytes", len(text)))
	return len(text), nil
}
