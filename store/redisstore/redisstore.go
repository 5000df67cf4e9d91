package redisstore

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"

	"holdfast/authz"
)

// Config says where Redis is and what a call may take.
type Config struct {
	// Addrs are host:port of the server, of the Sentinels, or of some nodes of the cluster. One that
	// begins with a slash is a Unix socket.
	Addrs []string
	// MasterName is what the Sentinels call the server. Empty: no Sentinels.
	MasterName string
	// Cluster says that the addresses belong to a Redis Cluster.
	Cluster bool

	Username, Password                 string
	SentinelUsername, SentinelPassword string

	// TLS is used for every connection when it is set.
	TLS *tls.Config
	// Prefix begins every key. Empty: "holdfast:".
	Prefix string
	// PoolSize is the connections to a node. 0: 16.
	PoolSize int
	// Timeout bounds how long a call is waited for, with queueing for a connection and dialing. 0: 250 ms.
	Timeout time.Duration
}

const (
	defaultPrefix   = "holdfast:"
	defaultPoolSize = 16
	defaultTimeout  = 250 * time.Millisecond
	// openTimeout is for the checks of the start, which nobody waits for with a card in hand.
	openTimeout = 5 * time.Second
	// patience bounds what no card waits for: a dial, a handshake, a cluster's map, a step of the sweeper.
	// The calls for cards have the timeout in their context.
	patience    = 500 * time.Millisecond
	oldestMajor = 7
)

// Holds implements [authz.Holds] on Redis. It is safe for concurrent use.
type Holds struct {
	client  redis.UniversalClient
	prefix  string
	timeout time.Duration
	// generation is what new hashes of this process begin with.
	generation string
	owed       debts

	opened  time.Time
	pipes   sync.Map   // *redis.Client -> []*pipe
	opening sync.Mutex // guards closing against new pipes
	ending  sync.Once
	wg      sync.WaitGroup
	closing context.Context
	cancel  context.CancelFunc
}

var _ authz.Holds = (*Holds)(nil)

// Open connects and checks the servers as [Holds.Check] does. The error says in one line what is wrong; when
// Redis could not be asked it is [authz.ErrUnavailable].
func Open(ctx context.Context, cfg Config) (*Holds, error) {
	if len(cfg.Addrs) == 0 {
		return nil, errors.New("open redis: no address")
	}
	if cfg.Prefix == "" {
		cfg.Prefix = defaultPrefix
	}
	if strings.ContainsAny(cfg.Prefix, "{}") {
		return nil, errors.New("open redis: the prefix may not contain braces, which mark the hash tag")
	}
	if cfg.PoolSize <= 0 {
		cfg.PoolSize = defaultPoolSize
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = defaultTimeout
	}
	redis.SetLogger(&logging.VoidLogger{}) // every error comes back to the caller, who logs it once
	h := &Holds{client: connect(cfg), prefix: cfg.Prefix, timeout: cfg.Timeout, generation: rand.Text(), opened: time.Now()}
	h.closing, h.cancel = context.WithCancel(context.Background())
	if err := h.Check(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open redis: %w", err), h.Close())
	}
	h.wg.Go(h.flushAll)
	return h, nil
}

// Close tells what is owed and ends the connections. What Redis does not take now is left to the sweeper of
// another node. It is harmless to call twice.
func (h *Holds) Close() error {
	var err error
	h.ending.Do(func() {
		ctx, cancel := context.WithTimeout(h.closing, 2*patience)
		defer cancel()
		_ = h.flush(ctx, true) // as above
		h.opening.Lock()
		h.cancel()
		h.opening.Unlock()
		h.wg.Wait()
		err = h.client.Close()
	})
	return err
}

// connect makes the client. By default it would send a script whose reply was lost once more, and not
// look at the deadline of the context.
func connect(cfg Config) redis.UniversalClient {
	o := &redis.UniversalOptions{
		Addrs: cfg.Addrs, MasterName: cfg.MasterName, IsClusterMode: cfg.Cluster,
		Username: cfg.Username, Password: cfg.Password,
		SentinelUsername: cfg.SentinelUsername, SentinelPassword: cfg.SentinelPassword,
		Dialer: dialer(cfg.TLS), DialerRetries: 1,
		MaxRetries: -1, ContextTimeoutEnabled: true,
		DialTimeout: patience, ReadTimeout: max(patience, cfg.Timeout), WriteTimeout: max(patience, cfg.Timeout), PoolTimeout: cfg.Timeout,
		PoolSize: cfg.PoolSize, DisableIdentity: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	switch {
	case cfg.MasterName != "":
		return redis.NewFailoverClient(o.Failover())
	case cfg.Cluster:
		return redis.NewClusterClient(o.Cluster())
	}
	return redis.NewClient(o.Simple())
}

func dialer(config *tls.Config) func(context.Context, string, string) (net.Conn, error) {
	plain := &net.Dialer{KeepAlive: 5 * time.Second}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if strings.HasPrefix(address, "/") {
			network = "unix"
		}
		if config == nil {
			return plain.DialContext(ctx, network, address)
		}
		return (&tls.Dialer{NetDialer: plain, Config: config}).DialContext(ctx, network, address)
	}
}

// Check refuses a Redis that may evict what it was told, or that is older than 7.0, whose scripts have no flags.
// Of a cluster it asks every node, also those that may take over.
func (h *Holds) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	if cluster, ok := h.client.(*redis.ClusterClient); ok {
		return cluster.ForEachShard(ctx, func(ctx context.Context, node *redis.Client) error { return check(ctx, node) })
	}
	return check(ctx, h.client)
}

func check(ctx context.Context, node redis.Cmdable) error {
	server, err := node.Info(ctx, "server").Result()
	if err != nil {
		return fmt.Errorf("ask redis for its version: %w: %w", authz.ErrUnavailable, err)
	}
	version := infoField(server, "redis_version")
	major, _, _ := strings.Cut(version, ".")
	if n, err := strconv.Atoi(major); err != nil || n < oldestMajor {
		return fmt.Errorf("redis is version %q, and holds need %d.0 or newer", version, oldestMajor)
	}
	policy, err := evictionPolicy(ctx, node)
	if err != nil {
		return err
	}
	if policy != "noeviction" {
		return fmt.Errorf("redis has maxmemory-policy %q, which may forget holds: set it to noeviction", policy)
	}
	return nil
}

// evictionPolicy asks for the setting, and where that is denied reads it from the report on memory.
func evictionPolicy(ctx context.Context, node redis.Cmdable) (string, error) {
	set, err := node.ConfigGet(ctx, "maxmemory-policy").Result()
	if err == nil && set["maxmemory-policy"] != "" {
		return set["maxmemory-policy"], nil
	}
	memory, err := node.Info(ctx, "memory").Result()
	if err != nil {
		return "", fmt.Errorf("ask redis for its eviction policy: %w: %w", authz.ErrUnavailable, err)
	}
	return infoField(memory, "maxmemory_policy"), nil
}

func infoField(info, name string) string {
	for line := range strings.SplitSeq(info, "\n") {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+":"); ok {
			return value
		}
	}
	return ""
}
