package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/store/records"
	"holdfast/switch/replay"
	"holdfast/testdata/worlds"
)

// seedWorldText is a world of one card; the parts in capitals are replaced to make mistakes.
const seedWorldText = `partners:
  - name: Zeta
    deposits: [{currency: EUR, amount: 100.00}]
    programs: [{name: z, bins: 99999940-99999941, currency: EUR, funding: DEPOSIT}]
    users:
      - name: Zoe
        kyc: ACCEPTED
        balances:
          - currency: EUR
            amount: 10
            cards: [{ref: zoe, program: z, number: "9999994000000016", expiry: 2049-12, state: ACTIVE}]
`

const seedCardNumber = "9999994000000016"

func writeWorld(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "world.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestSeedNamesTheMistake(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, from, to string
		status         int
		want           string
	}{
		{"an unknown key", "kyc:", "kycc:", exitUsage, `[7:9] unknown field "kycc"`},
		{"a key that is missing", "        kyc: ACCEPTED\n", "", exitUsage, "partners[0].users[0].kyc: is missing"},
		{"an unknown currency", "currency: EUR, funding", "currency: EUX, funding", exitUsage, "unknown currency"},
		{"an amount with too many decimals", "amount: 10\n", "amount: 10.001\n", exitFailed, "partners[0].users[0].balances[0]: amount: EUR has 2 decimals"},
		{"an amount below zero", "amount: 100.00", "amount: -100.00", exitFailed, "partners[0].deposits[0]: amount"},
		{"an amount of letters", "amount: 10\n", "amount: ten\n", exitFailed, "partners[0].users[0].balances[0]: amount"},
		{"a BIN of six digits", "99999940-99999941", "999999", exitUsage, "bins: want eight digits"},
		{"a BIN range upside down", "99999940-99999941", "99999941-99999940", exitUsage, "bins: the first is greater"},
		{"a funding that is none", "DEPOSIT", "MAGIC", exitUsage, "funding: want DEPOSIT or CREDIT"},
		{"a pump's hold with too many decimals", "funding: DEPOSIT", "funding: DEPOSIT, terms: {pumpHold: 1.001}", exitFailed, "partners[0].programs[0].terms: amount: EUR has 2 decimals"},
		{"a mark-up of more than all", "funding: DEPOSIT", "funding: DEPOSIT, terms: {markUp: 2001}", exitFailed, "partners[0].programs[0].terms: the mark-up or the life of holds is out of bounds"},
		{"a wrong check digit", seedCardNumber, seedCardNumber[:15] + "7", exitUsage, "check digit"},
		{"a card number of letters", seedCardNumber, "99999940X", exitUsage, "card number"},
		{"a card outside of the range", "99999940-99999941", "99999942", exitFailed, "partners[0].users[0].balances[0].cards[0]: the number is not in the program's BIN range"},
		{"an expiry that is none", "2049-12", "12/49", exitUsage, "expiry: want a month as 2030-12"},
		{"a state that is none", "ACTIVE}", "HAPPY}", exitUsage, "state: want ORDERED"},
		{"a lock that is none", "state: ACTIVE}", "state: ACTIVE, lock: RUSTY}", exitUsage, "lock: want LOST"},
		{"an unknown program", "program: z", "program: y", exitFailed, `cards[0]: program: the partner has none called "y"`},
		{"a user without KYC", "ACCEPTED", "REJECTED", exitFailed, "partners[0].users[0].balances[0]: the user's KYC is not accepted"},
		{"a program in another currency", "currency: EUR, funding", "currency: USD, funding", exitFailed, "cards[0]: the currency differs"},
		{"a program without its deposit", "    deposits: [{currency: EUR, amount: 100.00}]\n", "", exitFailed, "cards[0]: the program has no deposit"},
		{"a tag that nobody knows", "partners:", "partners: !what 0\nrest:", exitUsage, "is there a tag"},
		{"a card number as a key", "  - name: Zeta", "  - \"" + seedCardNumber + "\": 1\n    name: Zeta", exitUsage, "unknown field \"(digits)\""},
		{"nothing", seedWorldText, "# nothing\n", exitUsage, "partners: there are none"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			text := strings.Replace(seedWorldText, c.from, c.to, 1)
			if text == seedWorldText {
				t.Fatal("the mistake was not made")
			}
			dir := t.TempDir()
			status, out, errs := runHoldfast(t, "seed", "--data", dir, writeWorld(t, text))
			if status != c.status || !strings.Contains(errs, c.want) || out != "" {
				t.Errorf("status %d, want %d and %q: %s%s", status, c.status, c.want, errs, out)
			}
			if strings.Contains(errs, seedCardNumber[:15]) {
				t.Error("the error holds the card number")
			}
			// Nothing of it was written: the same world without the mistake goes in.
			if status, _, errs := runHoldfast(t, "seed", "--data", dir, writeWorld(t, seedWorldText)); status != exitOK {
				t.Errorf("afterwards: %s", errs)
			}
		})
	}
}

func TestSeedRefusesWhatExists(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	status, out, errs := runHoldfast(t, "seed", "--data", dir, writeWorld(t, seedWorldText))
	if status != exitOK || !strings.Contains(out, "partners 1, programs 1, users 1, cards 1") {
		t.Fatalf("status %d: %s%s", status, out, errs)
	}
	for _, c := range []struct{ name, from, to, want string }{
		{"the same world", "Zeta", "Zeta", "partners[0].name: it exists already"},
		{"another partner on the same BINs", "Zeta", "Eta", "partners[0].programs[0]: BIN range of program z: it exists already"},
		{"a card twice", "balances:\n", "balances:\n          - {currency: EUR, cards: [{program: z, number: \"" + seedCardNumber +
			"\", expiry: 2049-12, state: ACTIVE}]}\n", "partners[0].name"},
	} {
		status, _, errs := runHoldfast(t, "seed", "--data", dir, writeWorld(t, strings.Replace(seedWorldText, c.from, c.to, 1)))
		if status != exitFailed || !strings.Contains(errs, c.want) {
			t.Errorf("%s: status %d: %s", c.name, status, errs)
		}
	}
	twice := strings.Replace(seedWorldText, "cards: [", `cards: [{program: z, number: "`+seedCardNumber+`", expiry: 2049-12, state: ACTIVE}, `, 1)
	status, _, errs = runHoldfast(t, "seed", "--data", t.TempDir(), writeWorld(t, twice))
	if status != exitFailed || !strings.Contains(errs, "balances[0].cards[1]: number: it exists already") {
		t.Errorf("a card twice in one file: status %d: %s", status, errs)
	}
}

func TestSeedCardsForALoadTest(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if status, _, errs := runHoldfast(t, "seed", "--data", dir, "--cards", "50"); status != exitOK {
		t.Fatal(errs)
	}
	if status, _, errs := runHoldfast(t, "seed", "--data", dir, "--cards", "50"); status != exitFailed || !strings.Contains(errs, "exists already") {
		t.Errorf("again: status %d: %s", status, errs)
	}
	if status, out, errs := runHoldfast(t, "verify", "--data", dir); status != exitOK {
		t.Errorf("verify: %s%s", out, errs)
	}
	for _, args := range [][]string{{"--cards", "-1"}, {"--cards", "5", "file"}, {}} {
		if status, _, _ := runHoldfast(t, append([]string{"seed", "--data", dir}, args...)...); status != exitUsage {
			t.Errorf("%v: status %d", args, status)
		}
	}
	seen := map[string]bool{}
	for i := range 1000 {
		number, err := loadCard(i)
		if err != nil || !number.LuhnValid() || number.Len() != 16 || number.BIN(8) != "99999901" {
			t.Fatalf("card %d: %v, %v", i, number, err)
		}
		seen[number.Reveal()] = true
	}
	if len(seen) != 1000 {
		t.Errorf("%d numbers of 1000", len(seen))
	}
	for _, i := range []int{-1, loadCardsMax} {
		if _, err := loadCard(i); err == nil {
			t.Errorf("index %d has a card", i)
		}
	}
}

// helperVariable makes the test binary act as the program, so that there can be a second process.
const helperVariable = "HOLDFAST_TEST_ARGS"

func TestHelperProcess(*testing.T) {
	args, asked := os.LookupEnv(helperVariable)
	if !asked {
		return
	}
	os.Exit(run(&env{ctx: context.Background(), stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}, strings.Split(args, "\n")))
}

// A switch serves while another process seeds its folder: no request is refused for it, and the new card is served.
func TestSeedAFolderThatIsServed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if status, _, errs := runHoldfast(t, "seed", "--data", dir, writeWorld(t, string(worlds.Demo))); status != exitOK {
		t.Fatal(errs)
	}
	address := serveFolder(t, dir)
	trace := func(pan string, code, more string) string {
		return fmt.Sprintf(`{%s"send":{"mti":"0100","2":"%s","3":"000000","4":"000000000100","7":"0115081354","11":"000102","12":"081354",`+
			`"13":"0115","37":"501508000102","41":"TERM0001","49":"978"},"expect":{"39":"%s"}}`, more, pan, code)
	}
	if r := playTo(t, address, trace(seedCardNumber, "92", ""), 1); r.Differing != 0 {
		t.Fatalf("before: %+v", r.Differences)
	}
	done := make(chan *replay.Report, 1) // one report, so that its goroutine never waits
	var wg sync.WaitGroup
	wg.Go(func() { done <- playTo(t, address, trace("4111111111111111", "00", ""), 200) })
	seeder := exec.Command(os.Args[0], "-test.run=^TestHelperProcess$")
	seeder.Env = append(os.Environ(), helperVariable+"="+strings.Join([]string{"seed", "--data", dir, writeWorld(t, seedWorldText)}, "\n"))
	if out, err := seeder.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	wg.Wait()
	if r := <-done; r.Differing != 0 || r.Answered != 200 {
		t.Errorf("meanwhile: %d answered, %+v", r.Answered, r.Differences)
	}
	for range 80 {
		if r := playTo(t, address, trace(seedCardNumber, "00", `"delay":"250ms",`), 1); r.Differing == 0 {
			return
		}
	}
	t.Error("the new card was not served within twenty seconds")
}

// serveFolder runs a switch on a folder until the test ends.
func serveFolder(t *testing.T, dir string) (address string) {
	t.Helper()
	return serveFolderAs(t, dir, listenerConfig{Address: "127.0.0.1:0"})
}

func serveFolderAs(t *testing.T, dir string, l listenerConfig) (address string) {
	t.Helper()
	n, err := openNode(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.setup(nil)
	if err == nil {
		err = n.listen([]listenerSetup{s})
	}
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := n.serve(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { stop(); wg.Wait() })
	return n.listeners[0].Addr().String()
}

func playTo(t *testing.T, address, text string, repeat int) *replay.Report {
	trace, err := replay.Read(strings.NewReader(text))
	if err != nil {
		t.Error(err)
		return &replay.Report{}
	}
	to, err := target(address, "", "")
	if err != nil {
		t.Error(err)
	}
	report, err := replay.Play(t.Context(), trace, replay.Config{Targets: map[string]replay.Target{replay.MainLink: to},
		Repeat: repeat, Timeout: 10 * time.Second})
	if err != nil {
		t.Error(err)
	}
	return report
}

// FuzzWorld holds that no text makes the reader of worlds panic, and that no error shows a card number.
func FuzzWorld(f *testing.F) {
	f.Add([]byte(seedWorldText))
	f.Add(worlds.Demo)
	f.Add([]byte("partners: [{name: x, users: [{balances: [{cards: [{number: " + seedCardNumber + "}]}]}]}]"))
	f.Add([]byte("partners: {" + seedCardNumber + ": 1}"))
	f.Add([]byte("partners: !000000000000000000000 00")) // the library panicked
	f.Fuzz(func(t *testing.T, text []byte) {
		w, err := parseWorld(text)
		if err == nil && len(w.Partners) == 0 {
			t.Error("accepted without partners")
		}
		if err != nil && bytes.Contains([]byte(err.Error()), []byte(seedCardNumber)) {
			t.Errorf("the error holds a card number")
		}
	})
}

func TestSeedKeepsTermsAndCompany(t *testing.T) {
	t.Parallel()
	text := strings.NewReplacer("funding: DEPOSIT", "funding: DEPOSIT, terms: {pumpHold: 75.00, partApproval: true, markUp: 250, ownRates: true, fxToUser: true, holdLife: 48h}",
		"    deposits:", "    company: [{currency: EUR, amount: 5.00}]\n    deposits:").Replace(seedWorldText)
	w, err := parseWorld([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	keys, store, err := openData(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close() // nothing to lose
	ctx := t.Context()
	var programs []authz.Program
	var company int64
	if err := store.Update(ctx, func(q records.Querier) error {
		if _, err := seedWorld(ctx, q, keys, w, time.Now()); err != nil {
			return err
		}
		if programs, err = records.Programs(ctx, q); err != nil {
			return err
		}
		return q.Query(ctx, func(r records.Row) error { company = r.Int(0); return nil }, "SELECT ledger FROM balances WHERE kind = 'COMPANY'")
	}); err != nil {
		t.Fatal(err)
	}
	want := authz.Terms{PumpHold: 75_00, PartApproval: true, MarkUp: 2_50, OwnRates: true, FXToUser: true, HoldLife: 48 * time.Hour}
	if len(programs) != 1 || programs[0].Terms != want || company != 5_00 {
		t.Errorf("terms %+v, COMPANY %d; want %+v and 500", programs, company, want)
	}
}
