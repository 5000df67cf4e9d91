package redisstore_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"holdfast/authz"
	"holdfast/store/redisstore"
	"holdfast/store/storetest"
)

// certificate makes a certificate for the loopback that is its own authority, and its key, as files.
func certificate(t testing.TB) (certFile, keyFile string, roots *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, block := range map[string]*pem.Block{"cert": {Type: "CERTIFICATE", Bytes: der}, "key": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	roots = x509.NewCertPool()
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots.AddCert(parsed)
	return filepath.Join(dir, "cert"), filepath.Join(dir, "key"), roots
}

// Goal: a switch works over TLS as a user who may do no more than it needs. Method: the suite, and a sweep.
func TestTLSAndAUserOfItsOwn(t *testing.T) {
	t.Parallel()
	cert, key, roots := certificate(t)
	port := freePort(t)
	s := startRedis(t, "--tls-port", strconv.Itoa(port), "--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", cert,
		"--tls-auth-clients", "no")
	err := client(t, s.Config).Do(t.Context(), "ACL", "SETUSER", "switch", "on", ">planted", "~own:*", "resetchannels",
		"+evalsha", "+eval", "+hmget", "+hset", "+hdel", "+hvals", "+hincrby", "+unlink", "+hscan", "+scan", "+info", "+hello", "+ping").Err()
	if err != nil {
		t.Fatal(err)
	}
	cfg := redisstore.Config{Addrs: []string{net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}, Username: "switch", Password: "planted",
		TLS: &tls.Config{RootCAs: roots}}
	t.Run("conformance", func(t *testing.T) {
		storetest.Holds(t, func(t testing.TB) authz.Holds {
			own := cfg
			own.Prefix = "own:" + newPrefix()
			return open(t, own)
		})
	})
	cfg.Prefix = "own:sweep:"
	d := desk{open(t, cfg), t}
	d.teach(1, 100, 100)
	d.place(authz.HoldPlaced, hold(1, 10))
	all := func(_ context.Context, _ authz.PartnerID, held []*authz.Hold) ([]*authz.Hold, []authz.Balance, error) {
		return held, nil, nil
	}
	if n, err := d.Sweep(t.Context(), nil, authz.ID(1<<40).Time(), all); err != nil || n != 1 {
		t.Errorf("ended %d, %v; want 1", n, err)
	}
	cfg.TLS = &tls.Config{RootCAs: x509.NewCertPool()}
	if h, err := redisstore.Open(t.Context(), cfg); !errors.Is(err, authz.ErrUnavailable) {
		_ = h.Close()
		t.Errorf("a server of an unknown authority was trusted: %v", err)
	}
}

// Goal: a server that takes no more connections is an error and no lost hold, and used again when it does. It closes
// the connection without a word, so what was written to it may be in doubt.
func TestNoMoreConnections(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	d := desk{open(t, s.Config), t}
	d.teach(1, 100, 100)
	c := client(t, s.Config)
	if err := c.ConfigSet(t.Context(), "maxclients", "1").Err(); err != nil {
		t.Fatal(err)
	}
	if err := c.ClientKillByFilter(t.Context(), "TYPE", "normal", "SKIPME", "yes").Err(); err != nil {
		t.Fatal(err)
	}
	for op := range authz.ID(3) {
		err := d.Place(t.Context(), lane, []*authz.Hold{hold(op+1, 10)})
		if !errors.Is(err, authz.ErrUnavailable) && !errors.Is(err, authz.ErrUnknown) {
			t.Errorf("error %v, want one of a store that is away", err)
		}
	}
	if err := c.ConfigSet(t.Context(), "maxclients", "100").Err(); err != nil {
		t.Fatal(err)
	}
	await(t, "a connection", func(ctx context.Context) error { return d.Place(ctx, lane, []*authz.Hold{hold(9, 0)}) })
	d.left(100, 100)
}

// Goal: a replica that lagged and was promoted tells an old truth, which the journal's answer mends without a restart.
// Method: the replica is cut off before the last calls, and the master dies.
func TestPromotedReplicaThatLagsIsMended(t *testing.T) {
	t.Parallel()
	master, replica := startRedis(t), startRedis(t)
	follower := client(t, replica.Config)
	if err := follower.ReplicaOf(t.Context(), "127.0.0.1", strconv.Itoa(master.port)).Err(); err != nil {
		t.Fatal(err)
	}
	sentinel := startSentinel(t, master, "sentinel down-after-milliseconds holds 2000\nsentinel failover-timeout holds 2000\n")
	asked := client(t, sentinel)
	await(t, "the sentinel to know the replica", func(ctx context.Context) error {
		found, err := redis.NewSentinelClient(asked.Options()).Replicas(ctx, "holds").Result()
		if err == nil && (len(found) != 1 || found[0]["flags"] != "slave" || found[0]["master-link-status"] != "ok") {
			err = errors.New("none that follows")
		}
		return err
	})
	d := desk{open(t, sentinel), t}
	d.teach(1, 100, 100)
	await(t, "the replica to have it", func(ctx context.Context) error {
		n, err := follower.DBSize(ctx).Result()
		if err == nil && n != 2 {
			err = errors.New("not yet")
		}
		return err
	})
	admin := client(t, master.Config)
	for _, do := range [][]any{{"ACL", "SETUSER", "default", "-psync", "-sync"}, {"CLIENT", "KILL", "TYPE", "replica"}} {
		if err := admin.Do(t.Context(), do...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	spent := hold(1, 60)
	d.place(authz.HoldPlaced, spent)
	d.settle([]*authz.Hold{spent}, authz.Balance{ID: user, Available: 40, Version: 2}, authz.Balance{ID: deposit, Available: 40, Version: 2})
	master.signal(t, syscall.SIGKILL)
	lie := hold(1, 60)
	await(t, "the promoted replica to be used", func(ctx context.Context) error {
		lie.Op++ // one in doubt is cancelled
		return d.Place(ctx, lane, []*authz.Hold{lie})
	})
	if lie.Result != authz.HoldPlaced || lie.UserWas != 100 {
		t.Fatalf("result %d with %d: the replica did not lag", lie.Result, lie.UserWas)
	}
	// The journal refuses it, and says how much there is.
	d.settle([]*authz.Hold{lie}, authz.Balance{ID: user, Available: 40, Version: 2}, authz.Balance{ID: deposit, Available: 40, Version: 2})
	d.left(40, 40)
	d.place(authz.HoldDepositShort, hold(1_000_000, 60))
}
