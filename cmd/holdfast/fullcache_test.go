package main

import (
	"fmt"
	"strings"
	"testing"
)

// verify --cache finds nothing beside a switch at work, nor after it, and finds each difference that is planted in
// Redis, by its ids. A balance that is behind by its version is noted.
func TestVerifyHoldsTheCacheAgainstTheJournal(t *testing.T) {
	t.Parallel()
	const cards = 20
	s := openSite(t, sharedServers(t), plainListener, "--cards", fmt.Sprint(cards))
	n := s.start(t, 1)
	verify := func() (int, string) {
		status, out, errs := runHoldfast(t, "verify", "--cache", "--config", s.config(t, 1))
		return status, out + errs
	}
	f := s.traffic(t, cards, n)
	f.flows(t, resumeWithin, n)
	for range 5 {
		if status, said := verify(); status != exitOK {
			t.Errorf("verify ended with %d while the switch was at work\n%s", status, said)
		}
	}
	f.end()
	n.stop(t)
	if status, said := verify(); status != exitOK || !strings.Contains(said, ruleCacheTruth) ||
		!strings.Contains(said, "0 cached balances are behind") {
		t.Fatalf("verify ended with %d after the switch\n%s", status, said)
	}
	money, flight := s.prefix()+"{p1}:b", s.prefix()+"{p1}:f"
	fields, err := s.redis.say("HGETALL", money)
	if err != nil {
		t.Fatal(err)
	}
	was := map[string]string{}
	for i := 0; i+1 < len(fields); i += 2 {
		was[fields[i]] = fields[i+1]
	}
	for _, lie := range []struct {
		field, becomes string // of the balances; + adds
		want           string // of the violation; empty: there is none
		note           string
	}{
		{"t1", "+100", "the journal 9999", ""},
		{"v1", "+5", "it was set back", ""},
		{"v1", "+-1", "", "1 cached balances are behind the journal by their version, 0 of them"},
		{"p1", "7", "balance 1 has 7 pending, the holds in flight on it sum to 0", ""},
		{"t1", "much", "balance 1 of partner 1 has no whole number for its truth", ""},
		{"v1", "", "balance 1 of partner 1 has no version", ""},
		{"t4040", "5", "balance 4040", ""},
		{"flight", "p1:p0:7", "balance 1 has 0 pending, the holds in flight on it sum to 7", ""},
		{"flight", "x", "operation 4096 of partner 1 came at", ""},
		{"g", "another", "", "1 partners have a cache of which a part was lost"},
	} {
		key, field := money, lie.field
		if field == "flight" {
			key, field = flight, "4096"
		}
		plant := []string{"HSET", key, field, lie.becomes}
		if more, adds := strings.CutPrefix(lie.becomes, "+"); adds {
			plant = []string{"HINCRBY", key, field, more}
		} else if lie.becomes == "" {
			plant = []string{"HDEL", key, field}
		}
		s.redisSays(t, plant...)
		status, said := verify()
		if (status == exitFailed) != (lie.want != "") || !strings.Contains(said, lie.want) || !strings.Contains(said, lie.note) {
			t.Errorf("%v: verify ended with %d, want %q %q\n%s", plant, status, lie.want, lie.note, said)
		}
		if before, there := was[field]; there && key == money {
			s.redisSays(t, "HSET", key, field, before)
		} else {
			s.redisSays(t, "HDEL", key, field)
		}
	}
	if status, said := verify(); status != exitOK {
		t.Errorf("verify ended with %d after all was put right\n%s", status, said)
	}
}

// The embedded mode has its cache in the process, where verify cannot see it.
func TestVerifyCacheNeedsTheFullMode(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if status, _, errs := runHoldfast(t, "seed", "--data", dir, "--cards", "1"); status != exitOK {
		t.Fatalf("seed: %s", errs)
	}
	if status, _, errs := runHoldfast(t, "verify", "--data", dir, "--cache"); status != exitUsage || !strings.Contains(errs, "--cache") {
		t.Errorf("verify ended with %d: %s", status, errs)
	}
}
