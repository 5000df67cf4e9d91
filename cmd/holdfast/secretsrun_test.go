package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"holdfast/store/records"
)

// Goal: after a run of everything no secret is in any place but those that it belongs to, in no form. Method: see [vault]
// and [life]; then a node dies twice, once with all its stacks printed, once at once.
func TestNoSecretIsLeftInAnyPlaceEmbedded(t *testing.T) {
	t.Parallel()
	if underRace {
		t.Skip("make bulk searches")
	}
	v := newVault(t)
	v.plantMessages()
	dir := t.TempDir()
	var cards []plainCard
	lived := t.Run("life", func(t *testing.T) {
		l := v.openLife(t, nil, func(cfg *config) { cfg.Data, cfg.Listeners = dir, secretListeners() })
		l.all()
		v.searchFolder("the data folder in use", dir, keysFile, serverKeyFile)
		l.leakRows()
		v.proveFolder("the data folder in use", dir, false, keysFile, serverKeyFile)
		l.stop()
		cards = l.cards
		v.searchFolder("the data folder afterwards", dir, keysFile, serverKeyFile)
		v.proveFolder("the data folder afterwards", dir, false, keysFile, serverKeyFile)
	})
	if v.t = t; !lived {
		return
	}
	config := writeConfig(t, &config{Data: dir, Store: storeEmbedded, Listeners: secretListeners(), Log: "debug"})
	v.crashes(config, cards)
	v.tools("--data", dir)
	v.searchFolder("the data folder after the crashes", dir, keysFile, serverKeyFile)
	v.searchTexts(answersMay())
	v.searchAnswers()
	v.proveTexts()
}

// Goal and method: as above, on servers of the test's own that write down all that they are told.
func TestNoSecretIsLeftInAnyPlaceFull(t *testing.T) {
	t.Parallel()
	if underRace {
		t.Skip("make bulk searches")
	}
	own := ownServers(t)
	v := newVault(t)
	v.plantMessages()
	v.loud(own)
	s := openSite(t, own, plainListener)
	var cards []plainCard
	cfg, err := loadConfig(s.config(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	cfg.Listeners, cfg.Log = secretListeners(), "debug"
	lived := t.Run("life", func(t *testing.T) {
		l := v.openLife(t, s, func(c *config) { c.Listeners = cfg.Listeners })
		l.all()
		cards = l.cards
	})
	if v.t = t; !lived {
		return
	}
	v.Plant("password of Redis", []byte(own.redis.password))
	v.crashes(writeConfig(t, &cfg), cards)
	v.tools("--config", s.config(t, 1))
	v.searchServers(s)
	v.searchFolder("the node's folder", s.folder(1), keysFile, serverKeyFile)
	v.searchTexts(answersMay())
	v.searchAnswers()
	v.proveServers(s)
	v.proveTexts()
}

// openLife opens an estate with everything that a life needs.
func (v *vault) openLife(t *testing.T, s *site, change func(*config)) *life {
	v.t = t
	r, authorities := openReceiver(t)
	post := openMailbox(t)
	e := openEstate(t, s, func(cfg *config) {
		cfg.Management.Sandbox = true
		cfg.Management.Webhooks = webhooksConfig{Authorities: authorities, Private: true}
		cfg.Management.Orders.Personalize = 100 * time.Millisecond
		cfg.Management.Mail = mailConfig{Address: post.address, From: "Holdfast <noreply@issuer.example>"}
		change(cfg)
	})
	e.heard = v.hear
	return &life{estate: e, v: v, r: r, post: post}
}

// all is a life with messages, and the search of what is only there while the node runs.
func (l *life) all() {
	l.t.Helper()
	l.live()
	addresses := map[string]string{}
	for i, name := range secretDialects {
		addresses[name] = l.node.listeners[i].Addr().String()
	}
	if answered := l.v.speak(addresses, l.cards, 1); answered < 100*len(secretDialects) {
		l.t.Errorf("only %d answers: the test is not looking", answered)
	}
	stacks := make([]byte, 4<<20)
	l.v.put("the stacks", string(stacks[:runtime.Stack(stacks, true)]))
	l.pages()
	l.verifies()
	l.gather()
	if err := l.node.store.View(l.t.Context(), func(q records.Querier) error {
		return q.Query(l.t.Context(), func(r records.Row) error { l.v.journal = append(l.v.journal, r.Int(0)); return nil },
			"SELECT id FROM authorizations ORDER BY id DESC LIMIT 30")
	}); err != nil {
		l.t.Fatal(err)
	}
	l.v.searchTexts(answersMay())
	l.v.searchAnswers()
	l.leakEvents()
	l.v.proveAnswers(l.office)
	if !strings.Contains(l.log.String(), "format error") {
		l.t.Error("the log has no format error: the test is not looking")
	}
}

// leakRows puts canaries into the embedded books.
func (l *life) leakRows() {
	l.t.Helper()
	ctx := l.t.Context()
	if err := l.node.store.Update(ctx, func(q records.Querier) error {
		if _, err := q.Exec(ctx, "CREATE TABLE leaks (leak BLOB)"); err != nil {
			return err
		}
		for _, c := range l.v.canaries {
			if _, err := q.Exec(ctx, "INSERT INTO leaks (leak) VALUES ($1)", c.Text); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		l.t.Fatal(err)
	}
}

func writeConfig(t *testing.T, cfg *config) string {
	t.Helper()
	text, err := yaml.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "holdfast.yaml")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// crashes starts nodes in processes of their own and ends them badly, with messages under way.
func (v *vault) crashes(config string, cards []plainCard) {
	v.t.Helper()
	temp := v.t.TempDir()
	for _, end := range []syscall.Signal{syscall.SIGQUIT, syscall.SIGKILL} {
		cmd, addresses := v.start(config, temp)
		if answered := v.speak(addresses, cards[:1], 9); answered < 10*len(secretDialects) {
			v.t.Errorf("only %d answers of a node: the test is not looking", answered)
		}
		v.underWay(addresses["iso87-ascii"], cards[0])
		if err := cmd.Process.Signal(end); err != nil {
			v.t.Fatal(err)
		}
		_ = cmd.Wait() // it says how it was ended
	}
	said := v.place("what a crashing node says").bytes()
	if !bytes.Contains(said, []byte("SIGQUIT: quit")) || !bytes.Contains(said, []byte("goroutine ")) {
		v.t.Error("the node did not print its stacks: the test is not looking")
	}
	v.searchFolder("the folder for temporary files", temp)
}

// start starts a node whose output is searched.
func (v *vault) start(config, temp string) (*exec.Cmd, map[string]string) {
	v.t.Helper()
	self, err := os.Executable()
	if err != nil {
		v.t.Fatal(err)
	}
	cmd := exec.Command(self, "serve", "--config", config, "--log", "debug")
	cmd.Env = append(os.Environ(), benchChildVariable+"=1", "GOTRACEBACK=all", "TMPDIR="+temp)
	cmd.Stderr = v.place("what a crashing node says")
	pipe, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		v.t.Fatal(err)
	}
	v.t.Cleanup(func() { _ = cmd.Process.Kill() }) // it has ended, unless the test failed
	addresses := map[string]string{}
	for lines := bufio.NewScanner(pipe); len(addresses) < len(secretDialects) && lines.Scan(); {
		v.put("what a crashing node prints", lines.Text()+"\n")
		name, rest, _ := strings.Cut(strings.TrimPrefix(lines.Text(), "holdfast: "), " listens on ")
		if i := slices.IndexFunc(secretListeners(), func(l listenerConfig) bool { return l.Name == name }); i >= 0 {
			addresses[secretDialects[i]], _, _ = strings.Cut(rest, ",")
		}
	}
	if len(addresses) < len(secretDialects) {
		v.t.Fatalf("the node said where %d listeners are", len(addresses))
	}
	return cmd, addresses
}

// underWay sends requests whose answers nobody waits for.
func (v *vault) underWay(addr string, card plainCard) {
	v.t.Helper()
	for i := range 20 {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			v.t.Fatal(err)
		}
		v.t.Cleanup(func() { _ = conn.Close() })
		text := fmt.Sprintf("0100%s=%s%s%d", card.CardNumber, discretionary, track1, i)
		if _, err := conn.Write(append([]byte{1, 0}, text...)); err != nil { // the rest of the frame never comes
			v.t.Fatal(err)
		}
	}
}

// tools are the commands that an operator asks about the books, and their refusals.
func (v *vault) tools(books ...string) {
	v.t.Helper()
	for _, id := range v.journal {
		v.runs("explain", append([]string{"explain", fmt.Sprint(id)}, books...)...)
	}
	v.runs("verify", append([]string{"verify"}, books...)...)
	v.runs("the list of keys", append([]string{"keys", "list"}, books...)...)
	v.runs("the list of certificates", append([]string{"partner", "list", "1"}, books...)...)
	for _, wrong := range [][]string{{"explain", "1"}, {"explain", "x"}, {"partner", "list", "99"}, {"keys", "drop", "1"}, {"partner", "revoke", "1", "x"}} {
		v.runs("a refused command", append(wrong, books...)...)
	}
	if !bytes.Contains(v.place("what explain prints").bytes(), []byte("decision")) {
		v.t.Error("nothing was explained: the test is not looking")
	}
}
