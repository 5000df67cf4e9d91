package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"holdfast/authz/keystore"
	"holdfast/switch/gateway"
)

func TestSampleConfigurationLoads(t *testing.T) {
	cfg, err := loadConfig("../../testdata/config/holdfast.yaml")
	if err != nil {
		t.Fatal(err)
	}
	setups, err := cfg.setups()
	if err != nil {
		t.Fatal(err)
	}
	if len(setups) != 4 || setups[2].peer != setups[3].peer || setups[2].peer.Dialect.Name() != "cmf-2003" ||
		!setups[2].peer.FileActions || len(cfg.programs()) != 1 || setups[1].peer.Dialect.Name() != "iso87-bcd" || setups[1].server.Format.String() != "bin2+tpdu" {
		t.Errorf("loaded %+v", setups)
	}
	// What the sample shows as defaults are the defaults.
	sample := setups[0].server.Defaults()
	usual, err := listenerConfig{}.setup(nil)
	if err != nil {
		t.Fatal(err)
	}
	if sample != usual.server.Defaults() || setups[0].address != usual.address || !reflect.DeepEqual(*setups[0].peer, *withDeadline(usual)) {
		t.Errorf("the sample says %+v, the defaults are %+v", setups[0], usual)
	}
}

func TestGuardedSampleLoads(t *testing.T) {
	cfg, err := loadConfig("../../testdata/config/holdfast-guarded.yaml")
	if err != nil {
		t.Fatal(err)
	}
	setups, err := cfg.setups()
	if err != nil {
		t.Fatal(err)
	}
	form := keystore.MACForm{Algorithm: keystore.MACRetail, Bytes: 8}
	usual, err := (&macConfig{}).rule(setups[0].peer.Dialect)
	if mac := setups[0].peer.MAC; err != nil || *mac != *usual || *mac != (gateway.MACRule{Form: form, Demand: gateway.MACTransactions}) {
		t.Errorf("the sample says %+v, the defaults are %+v, %v", *mac, usual, err)
	}
	if len(setups) != 2 || setups[0].tls.Authorities != "tls/authority.pem" || len(setups[0].tls.Names) != 1 ||
		setups[1].dial == nil || setups[1].tls.Certificate != "tls/switch.pem" || setups[1].peer.MAC != nil {
		t.Errorf("loaded %+v", setups)
	}
}

func TestFullSampleLoadsAndTheEnvironmentOverridesIt(t *testing.T) {
	flags := bookFlags{Config: "../../testdata/config/holdfast-full.yaml"}
	cfg, err := flags.config()
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Store != storeFull || len(cfg.Redis.Addresses) != 1 || cfg.Postgres.URL == "" {
		t.Errorf("loaded %+v", cfg)
	}
	t.Setenv("HOLDFAST_POSTGRES_URL", "postgres://elsewhere/x")
	t.Setenv("HOLDFAST_REDIS_ADDRESSES", "a:1,b:2")
	t.Setenv("HOLDFAST_REDIS_PASSWORD", "secret")
	if cfg, err = flags.config(); err != nil || cfg.Postgres.URL != "postgres://elsewhere/x" || len(cfg.Redis.Addresses) != 2 ||
		cfg.Redis.Password != "secret" {
		t.Errorf("with the environment: %+v, %v", cfg, err)
	}
}

func withDeadline(s listenerSetup) *gateway.Peer {
	p := *s.peer
	p.Deadline, p.KeyOverlap = gateway.DefaultDeadline, gateway.DefaultKeyOverlap
	p.ActionCodes, p.BINs = gateway.Codes{}, []string{}
	return &p
}

func TestBadConfigurationsNameWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"listners: []":                                                             "listners",
		"listeners: [{name: a, dialect: nope}]":                                    "nope",
		"listeners: [{name: a, framing: bin9}]":                                    "bin9",
		"listeners: [{name: a}, {name: a}]":                                        "two listeners or links are named a",
		"listeners: [{name: a, deadline: 5h}]":                                     "deadline",
		"listeners: [{name: a, linksMax: -1}]":                                     "LinksMax",
		"listeners: [{name: a, frameBytesMax: 3e9}]":                               "FrameBytesMax",
		"listeners: [{name: a, peer: b}]":                                          "there is no peer b",
		"peers: [{name: b}, {name: b}]":                                            "two peers are named b",
		"{peers: [{name: b}], listeners: [{name: a, peer: b, dialect: cmf-2003}]}": "settings stand there",
		"{peers: [{name: b}], listeners: [{name: b}]}":                             "there is a peer of that name",
		"listeners: [{name: a, actionCodes: {LOCKED_LOST: '00'}}]":                 "opposite",
		"listeners: [{name: a, bins: [x]}]":                                        "BIN",
		"listeners: [{name: a, responseTime: never}]":                              "response time",
		"programs: [{bins: [], actionCodes: {LOCKED_LOST: '05'}}]":                 "no BINs",
		"listeners: [{name: a, network: diners}]":                                  "diners",
		"listeners: [{name: a, holdLives: [{mcc: 35, life: 1h}]}]":                 "row 1",
		"listeners: [{name: a, holdLives: [{life: 1h}, {life: 9999h}]}]":           "row 2",
		"listeners: [{name: a, holdLives: [{channel: MAIL, life: 1h}]}]":           "MAIL",
		"listeners: [{name: a, tolerances: [{mcc: 5814-5812, percent: 1}]}]":       "ends before it begins",
		"listeners: [{name: a, tolerances: [{percent: 101}]}]":                     "percent 101",
		"listeners: [{name: a, tolerances: [{percent: 1, atLeast: 5}]}]":           "belong together",
		"links: [{name: a, address: '127.0.0.1:1', network: diners}]":              "diners",
		"listeners: 7":   "sequence",
		"data: [a, b":    "",
		"partners: !x 0": "",
	} {
		path := filepath.Join(t.TempDir(), "holdfast.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var stderr strings.Builder
		status := run(&env{t.Context(), nil, &strings.Builder{}, &stderr}, []string{"serve", "--config", path, "--data", t.TempDir()})
		if status != exitUsage || !strings.Contains(stderr.String(), want) {
			t.Errorf("%q ended with %d and said %q, want 2 and %q", text, status, stderr.String(), want)
		}
	}
}

func TestBadCallsExitWithTwo(t *testing.T) {
	for _, v := range os.Environ() { // a bench of the full mode would find servers there
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "HOLDFAST_") {
			t.Setenv(name, "")
		}
	}
	for _, args := range [][]string{{"serve", "--nope"}, {"nope"}, {"serve", "--log", "loud"}, {"serve", "--dialect", "klingon"},
		{"serve", "--framing", "bin2+what"}, {"serve", "--listen", "nonsense"}, {"serve", "--listen", "127.0.0.1:99999"}, {"explain"}, {"explain", "x"}, {"verify", "--data", "/nonexistent"},
		{"serve", "--config", "/nonexistent.yaml"}, {"replay"}, {"bench", "--store", "full"}} {
		var stdout, stderr strings.Builder
		if status := run(&env{t.Context(), nil, &stdout, &stderr}, args); status != exitUsage {
			t.Errorf("%v ended with %d, want 2; said %q", args, status, stderr.String())
		}
		if stderr.Len() == 0 {
			t.Errorf("%v said nothing", args)
		}
	}
}

func TestHelpIsThere(t *testing.T) {
	commands := []string{"serve", "demo", "replay", "decode", "verify", "seed", "explain", "bench", "version"}
	for _, args := range append([][]string{{}, {"--help"}}, func() (all [][]string) {
		for _, c := range commands {
			all = append(all, []string{c, "--help"})
		}
		return all
	}()...) {
		var stdout, stderr strings.Builder
		if status := run(&env{t.Context(), nil, &stdout, &stderr}, args); status != exitOK || !strings.Contains(stdout.String(), "Usage: holdfast") {
			t.Errorf("%v ended with %d and printed %q %q", args, status, stdout.String(), stderr.String())
		}
	}
}
