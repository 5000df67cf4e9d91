package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"holdfast/authz/keystore"
	"holdfast/authz/record"
	"holdfast/store/records"
	"holdfast/switch/client"
	"holdfast/switch/frame"
	"holdfast/switch/iso"
)

// acquirer is a peer of the 2003 version with two links to a served folder.
type acquirer struct {
	t       *testing.T
	dialect *iso.Dialect
	links   [2]*client.Raw
	stan    int
}

// ask sends a message on a link and expects an action code.
func (a *acquirer) ask(link int, mti, code string, elements map[int]string) *iso.Message {
	a.t.Helper()
	a.stan++
	m := a.dialect.New(mti)
	usual := map[int]string{7: "1123120000", 11: fmt.Sprintf("%012d", a.stan), 12: time.Now().UTC().Format("20060102150405"), 32: "123456"}
	for _, values := range []map[int]string{usual, elements} {
		for de, v := range values {
			if err := m.Set(de, v); err != nil {
				a.t.Fatal(err)
			}
		}
	}
	body, err := m.Append(nil)
	if err == nil {
		err = a.links[link].Write(body)
	}
	if err != nil {
		a.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(a.t.Context(), 20*time.Second)
	defer cancel()
	raw, err := a.links[link].Read(ctx)
	if err != nil {
		a.t.Fatalf("%s: %v", mti, err)
	}
	answer, err := a.dialect.Decode(raw)
	if err != nil {
		a.t.Fatal(err)
	}
	if got := answer.Get(39); got != code {
		a.t.Errorf("%s is answered %s, want %s", mti, got, code)
	}
	return answer
}

// One peer behind two listeners, over TCP and with the real stores: what one link asks for counts on the other when it is
// answered, and is still there after a restart.
func TestPeerLocksCutsOverAndExchangesKeys(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	keyFile := filepath.Join(dir, keysFile)
	if _, err := keystore.Create(keyFile, nil); err != nil {
		t.Fatal(err)
	}
	master, err := hex.DecodeString(demoZoneMaster)
	if err != nil {
		t.Fatal(err)
	}
	id, err := keystore.ImportKey(keyFile, nil, "zmk", master, map[string]string{"peer": "acquirer"})
	if err == nil {
		err = keystore.ActivateKey(keyFile, nil, id)
	}
	if err != nil {
		t.Fatal(err)
	}
	if status, _, errs := runHoldfast(t, "seed", "--data", dir, filepath.Join("..", "..", "testdata", "worlds", "demo.yaml")); status != exitOK {
		t.Fatal(errs)
	}
	cfg := config{Peers: []peerConfig{{Name: "acquirer", Settings: peerSettings{Dialect: "cmf-2003", RequireSignOn: true, FileActions: true}}},
		Listeners: []listenerConfig{{Name: "a", Address: "127.0.0.1:0", Peer: "acquirer"}, {Name: "b", Address: "127.0.0.1:0", Peer: "acquirer"}}}
	setups, err := cfg.setups()
	if err != nil {
		t.Fatal(err)
	}
	a := &acquirer{t: t, dialect: setups[0].peer.Dialect}
	n, stop := serveSetups(t, dir, setups)
	a.dial(n, setups[0].server.Format)

	purchase := map[int]string{2: decodePAN, 3: "000000", 4: "9782000000000100", 24: "100", 26: "5411", 41: "TERM0001        ", 42: "MERCHANT0000001"}
	a.ask(0, "2100", "9110", purchase)
	for link := range a.links {
		a.ask(link, "2804", "8000", map[int]string{24: "801"})
	}
	a.ask(1, "2804", "8000", map[int]string{24: "831"})
	a.ask(0, "2100", "0000", purchase)
	card := map[int]string{2: decodePAN, 24: "302", 25: "3707", 101: "CARDSTATUS"}
	a.ask(0, "2304", "3000", card)
	a.ask(1, "2100", "1002", purchase)
	card[25] = "3000"
	a.ask(1, "2304", "3003", card)
	a.ask(0, "2100", "2008", purchase)
	a.ask(0, "2302", "3006", map[int]string{2: decodePAN, 24: "303"})

	block, err := hex.DecodeString(demoZoneKey + demoZoneCheck)
	if err != nil {
		t.Fatal(err)
	}
	wrong := append([]byte(nil), block...)
	wrong[len(wrong)-1] ^= 1
	a.ask(0, "2804", "8002", map[int]string{24: "811", 96: string(wrong)})
	if n.keys.HasZoneKey("acquirer", keystore.ZonePIN) {
		t.Error("a key with a wrong check value is in use")
	}
	a.ask(0, "2804", "8000", map[int]string{24: "811", 96: string(block)})
	tomorrow := time.Now().UTC().AddDate(0, 0, 1).Format("20060102")
	a.ask(1, "2804", "8000", map[int]string{24: "821", 15: tomorrow})

	stop() // and with it whatever the clerks have begun
	n, stop = serveSetups(t, dir, setups)
	defer stop()
	a.dial(n, setups[0].server.Format)
	if !n.keys.HasZoneKey("acquirer", keystore.ZonePIN) {
		t.Error("the key that was exchanged is not in use after a restart")
	}
	a.ask(0, "2804", "8000", map[int]string{24: "801"})
	a.ask(0, "2100", "2008", purchase)
	if err := n.store.View(t.Context(), func(q records.Querier) error {
		days, err := records.CutOvers(t.Context(), q)
		if got := fmt.Sprint(days["acquirer"]); got != tomorrow {
			t.Errorf("the settlement date is %s, want %s", got, tomorrow)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}

func (a *acquirer) dial(n *node, format frame.Format) {
	a.t.Helper()
	for i, ln := range n.listeners {
		link, err := client.DialRaw(a.t.Context(), ln.Addr().String(), format)
		if err != nil {
			a.t.Fatal(err)
		}
		a.t.Cleanup(func() { _ = link.Close() })
		a.links[i] = link
	}
}

// serveSetups serves a folder until stop is called.
func serveSetups(t *testing.T, dir string, setups []listenerSetup) (n *node, stop func()) {
	t.Helper()
	n, err := openNode(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := n.listen(setups); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := n.serve(ctx); err != nil {
			t.Error(err)
		}
	})
	return n, sync.OnceFunc(func() { cancel(); wg.Wait() })
}

// While the keys of tags are rotated, a peer still finds the cards that are kept under their old tags.
func TestLockOutsideFindsCardsUnderOldTags(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if status, _, errs := runHoldfast(t, "seed", "--data", dir, filepath.Join("..", "..", "testdata", "worlds", "demo.yaml")); status != exitOK {
		t.Fatal(errs)
	}
	keyFile := filepath.Join(dir, keysFile)
	id, err := keystore.AddKey(keyFile, nil, "pan-tag")
	if err == nil {
		err = keystore.ActivateKey(keyFile, nil, id)
	}
	if err != nil {
		t.Fatal(err)
	}
	cfg := config{Listeners: []listenerConfig{{Name: "a", Address: "127.0.0.1:0", Settings: peerSettings{Dialect: "cmf-2003", FileActions: true}},
		{Name: "b", Address: "127.0.0.1:0", Settings: peerSettings{Dialect: "cmf-2003"}}}}
	setups, err := cfg.setups()
	if err != nil {
		t.Fatal(err)
	}
	a := &acquirer{t: t, dialect: setups[0].peer.Dialect}
	n, stop := serveSetups(t, dir, setups)
	defer stop()
	a.dial(n, setups[0].server.Format)
	purchase := map[int]string{2: decodePAN, 3: "000000", 4: "9782000000000100", 24: "100", 26: "5411", 41: "TERM0001        "}
	a.ask(0, "2100", "0000", purchase)
	a.ask(0, "2304", "3000", map[int]string{2: decodePAN, 24: "302", 25: "3707", 101: "CARDSTATUS"})
	a.ask(1, "2100", "1002", purchase)
	a.ask(0, "2304", "3008", map[int]string{2: decodePAN, 24: "302", 25: "3707", 101: "CARDSTATUS"})
	a.ask(0, "2304", "3003", map[int]string{2: decodePAN, 24: "302", 25: "3000", 101: "CARDSTATUS"})
	a.ask(1, "2100", "2008", purchase)
}

// What an operator took from a peer stays taken when the node starts anew, from the first message on, also when the
// configuration had no peer of that name before.
func TestChangesOfPeersOutliveTheNode(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if status, _, errs := runHoldfast(t, "seed", "--data", dir, filepath.Join("..", "..", "testdata", "worlds", "demo.yaml")); status != exitOK {
		t.Fatal(errs)
	}
	change := func(f func(ctx context.Context, tx *records.Tx) error) {
		t.Helper()
		keys, store, err := openData(dir)
		if err != nil {
			t.Fatal(err)
		}
		_, err = records.Transact(t.Context(), store, keys, func(tx *records.Tx) error { return f(t.Context(), tx) })
		if err := errors.Join(err, store.Close()); err != nil {
			t.Fatal(err)
		}
	}
	asks := func(want string) {
		t.Helper()
		cfg := config{Listeners: []listenerConfig{{Name: "a", Address: "127.0.0.1:0", Settings: peerSettings{Dialect: "cmf-2003", FileActions: true}}}}
		setups, err := cfg.setups()
		if err != nil {
			t.Fatal(err)
		}
		a := &acquirer{t: t, dialect: setups[0].peer.Dialect}
		n, stop := serveSetups(t, dir, setups)
		defer stop()
		a.dial(n, setups[0].server.Format)
		a.ask(0, "2304", want, map[int]string{2: decodePAN, 24: "302", 25: "3707", 101: "CARDSTATUS"})
	}
	no := false
	change(func(ctx context.Context, tx *records.Tx) error {
		return tx.InsertPeer(ctx, record.PeerChange{Name: "a", FileActions: &no}, time.Now())
	})
	asks("3001")
	change(func(ctx context.Context, tx *records.Tx) error { return tx.ResetPeer(ctx, "a") })
	asks("3000")
}
