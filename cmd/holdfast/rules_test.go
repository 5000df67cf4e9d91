package main

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/store/records"
)

// Goal: the rows of the sample are what it says of them.
func TestSampleRulesAreRead(t *testing.T) {
	t.Parallel()
	cfg, err := loadConfig("../../testdata/config/holdfast.yaml")
	if err != nil {
		t.Fatal(err)
	}
	lives, tolerances, err := cfg.rules()
	if err != nil {
		t.Fatal(err)
	}
	public, _ := authz.NetworkLives("mastercard", "acquirer")
	want := append([]authz.LifeRule{
		{Peer: "acquirer", MCCLow: "5542", MCCHigh: "5542", Life: 2 * time.Hour},
		{Peer: "acquirer", MCCLow: "3501", MCCHigh: "3999", Estimated: true, Life: 31 * 24 * time.Hour},
		{Peer: "acquirer", Channel: authz.ChannelECommerce, Estimated: true, Life: 30 * 24 * time.Hour, Restart: true},
		{Peer: "acquirer", Credit: true, Life: 20 * 24 * time.Hour}}, public...)
	if !slices.Equal(lives, want) {
		t.Errorf("the lives are %+v, want %+v", lives, want)
	}
	usual := authz.Tolerances()
	if len(tolerances) != 4+len(usual) || tolerances[0].AtLeast.String() != "50.00 USD" || tolerances[0].MCCLow != "5811" ||
		tolerances[3] != (authz.Tolerance{Peer: "acquirer"}) {
		t.Errorf("the tolerances are %+v", tolerances)
	}
}

// Goal: two peers of one switch live by rules of their own: how long a hold lives, by the network, the kind and the
// category of the merchant, and what is tolerated at clearing. Method: over TCP, and the journal is asked.
func TestPeersHaveRulesOfTheirOwn(t *testing.T) {
	t.Parallel()
	listeners := append(listenersIn("iso93-ascii"), listenersIn("iso93-ascii")...)
	listeners[0].Name, listeners[1].Name = "own", "usual"
	own := &listeners[0].Settings
	own.Network = "visa"
	own.HoldLives = []lifeConfig{{MCC: "5999", Estimated: true, Life: time.Hour}}
	own.Tolerances = []toleranceConfig{{MCC: "5999", Percent: 10}}
	var holders []holder
	for i := range 8 {
		holders = append(holders, holder{ref: fmt.Sprint("u", i), currency: "EUR", amount: "1000"})
	}
	s := script{mode: storeEmbedded, holders: holders, listeners: listeners}.open(t)
	const day = 24 * time.Hour
	for i, c := range []struct {
		listener, mcc, function string
		life                    time.Duration
		cleared                 int64
		cases                   []string
	}{
		{"own", "5999", "101", time.Hour, 110_00, nil},
		{"own", "5999", "100", 5 * day, 110_01, []string{"OVER_TOLERANCE"}},
		{"own", "5411", "101", 30 * day, 100_01, []string{"OVER_TOLERANCE"}},
		{"own", "5812", "100", 5 * day, 120_00, []string{"OVER_TOLERANCE"}}, // it has no other tolerances than its own
		{"usual", "5999", "101", 30 * day, 100_01, []string{"OVER_TOLERANCE"}},
		{"usual", "5812", "100", 7 * day, 120_00, nil},
	} {
		l, ref := s.dial(c.listener), fmt.Sprint("u", i)
		held := l.pays("0100", ref, 100_00, fields{26: c.mcc, 24: c.function})
		a := l.ask(held, "000")
		var life time.Duration
		s.rows(func(r records.Row) { life = time.Duration(r.Int(0)-r.Int(1)) * time.Microsecond },
			"SELECT expires_at, received_at FROM authorizations WHERE card_id = (SELECT id FROM cards WHERE tag = $1)", s.tag(ref))
		if life != c.life {
			t.Errorf("%s %s %s: the hold lives %v, want %v", c.listener, c.mcc, c.function, life, c.life)
		}
		l.ask(l.pays("0220", ref, c.cleared, fields{26: c.mcc, 38: a.Get(38)}, about(held)), "901")
		s.has(ref, purse{1000_00 - c.cleared, 0})
		s.cases(ref, c.cases...)
	}
	soon := s.dial("own")
	soon.ask(soon.pays("0100", "u6", 10_00, fields{26: "5999", 24: "101"}), "000")
	later := s.dial("usual")
	later.ask(later.pays("0100", "u7", 10_00, fields{26: "5999", 24: "101"}), "000")
	if ended, err := s.node.authorizer.ExpireHolds(t.Context(), time.Now().Add(2*time.Hour)); ended != 1 || err != nil {
		t.Errorf("after two hours %d holds have ended, want 1: %v", ended, err)
	}
	s.has("u6", purse{1000_00, 0})
	s.has("u7", purse{1000_00, 10_00})
}
