package authz_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"holdfast/authz"
	"holdfast/authz/keystore"
	"holdfast/authz/pan"
	"holdfast/authz/record"
	"holdfast/store/records"
	"holdfast/store/storetest"
)

// withPIN is a purchase with a PIN.
func (d *desk) withPIN(h storetest.Holder, pin string) *authz.Request {
	return storetest.With(d.Request(h, authz.Authorization, 1_00), authz.Evidence{PINBlock: d.PINBlock(h, pin)})
}

// Three wrong PINs are 55, 55 and 75, the right one then is refused; what is no try counts nothing.
func TestPINTries(t *testing.T) {
	d := newDesk(t)
	d.SetPIN(d.Alice, "4711")
	d.expect(d.withPIN(d.Alice, "4711"), authz.Approved)
	wrong := d.withPIN(d.Alice, "0000")
	d.expect(wrong, authz.PINWrong)
	again := *wrong
	again.Repeat = true
	d.expect(&again, authz.PINWrong)
	bad := d.withPIN(d.Alice, "4711")
	bad.Evidence.PINBlock = d.PINBlock(d.Bob, "4711")
	d.expect(bad, authz.PINBlockInvalid)
	d.expect(d.withPIN(d.Alice, "0001"), authz.PINWrong)
	d.expect(d.withPIN(d.Alice, "4711"), authz.Approved) // the tries start over
	d.expect(d.withPIN(d.Alice, "0000"), authz.PINWrong)
	d.expect(d.withPIN(d.Alice, "0000"), authz.PINWrong)
	last := d.withPIN(d.Alice, "0000")
	d.expect(last, authz.PINTriesExceeded)
	d.expect(d.withPIN(d.Alice, "4711"), authz.LockedPINTries)
	again = *last
	again.Repeat = true
	d.expect(&again, authz.PINTriesExceeded)
	d.Lock(d.Alice.Card, authz.LockNone)
	d.expect(d.withPIN(d.Alice, "4711"), authz.Approved)
	d.left(97_00, 147_00)
}

// A program may keep a card usable without PIN: the tries are exceeded all the same.
func TestPINTriesWithoutLock(t *testing.T) {
	d := newDesk(t)
	d.SetPIN(d.Alice, "4711")
	if err := d.Store.Update(t.Context(), func(q records.Querier) error {
		_, err := q.Exec(t.Context(), "UPDATE cards SET pin_lock = 0, version = version + 1 WHERE id = $1", int64(d.Alice.Card))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		d.expect(d.withPIN(d.Alice, "0000"), authz.PINWrong)
	}
	d.expect(d.withPIN(d.Alice, "0000"), authz.PINTriesExceeded)
	for _, pin := range []string{"4711", "0000", "4711"} {
		d.expect(d.withPIN(d.Alice, pin), authz.PINTriesExceeded)
	}
	d.expect(d.Request(d.Alice, authz.Authorization, 1_00), authz.Approved)
	if c := d.snapshot(d.Alice); c.PINTries != 3 || c.Lock != authz.LockNone {
		t.Errorf("%d tries, lock %d", c.PINTries, c.Lock)
	}
}

// No oracle: a PIN is not tried where something before it fails, and what fails before it resets nothing.
func TestPINIsTriedLast(t *testing.T) {
	d := newDesk(t)
	d.SetPIN(d.Alice, "4711")
	d.expect(d.withPIN(d.Alice, "0000"), authz.PINWrong)
	d.expect(d.withPIN(d.Alice, "0000"), authz.PINWrong)
	right := d.withPIN(d.Alice, "4711")
	right.Evidence.CVV2 = pan.NewSecret(otherCVV2(d.FullCard(d.Alice).CVV2))
	d.expect(right, authz.CVV2Wrong)
	expired := d.withPIN(d.Alice, "0000")
	expired.Expiry, expired.ExpiryGiven = 1, true
	d.expect(expired, authz.ExpiryMismatch)
	used := d.withPIN(d.Alice, "4711")
	used.Evidence.Chip = d.Chip(d.Alice, 1_00, 9)
	d.expect(used, authz.Approved)
	d.expect(d.withPIN(d.Alice, "0000"), authz.PINWrong)
	d.expect(d.withPIN(d.Alice, "0000"), authz.PINWrong)
	replayed := d.withPIN(d.Alice, "4711")
	replayed.Evidence.Chip = used.Evidence.Chip
	d.expect(replayed, authz.CryptogramReplayed)
	d.Lock(d.Alice.Card, authz.LockQuery)
	d.expect(d.withPIN(d.Alice, "0000"), authz.LockedQuery)
	d.expect(d.withPIN(d.Alice, "4711"), authz.LockedQuery)
	if c := d.snapshot(d.Alice); c.PINTries != 2 {
		t.Errorf("%d tries, want 2", c.PINTries)
	}
	advice := d.withPIN(d.Alice, "0000")
	advice.Kind, advice.StoodIn = authz.AuthorizationAdvice, true
	d.expect(advice, authz.AdviceAccepted)
	if c := d.snapshot(d.Alice); c.PINTries != 2 || c.Lock != authz.LockQuery {
		t.Errorf("an advice counted: %d tries, lock %d", c.PINTries, c.Lock)
	}
}

func (d *desk) snapshot(h storetest.Holder) (card authz.Card) {
	d.t.Helper()
	if err := d.Store.Find(context.Background(), []authz.Tag{h.Tag}, func(_ int, c authz.Card) { card = c }); err != nil {
		d.t.Fatal(err)
	}
	return card
}

// otherCVV2 is a value that is not the card's.
func otherCVV2(right pan.Secret) string {
	text := []byte(right.Reveal())
	text[0] = '0' + (text[0]-'0'+1)%10
	return string(text)
}

func TestPINWhereItMustBe(t *testing.T) {
	d := newDesk(t)
	cash := func(h storetest.Holder, pin string) *authz.Request {
		r := d.Request(h, authz.Authorization, 1_00)
		r.Transaction, r.Channel = authz.Cash, authz.ChannelATM
		if pin != "" {
			r.Evidence.PINBlock = d.PINBlock(h, pin)
		}
		return r
	}
	d.expect(cash(d.Bob, ""), authz.Approved)
	d.expect(cash(d.Bob, "1234"), authz.PINNotSet)
	d.SetPIN(d.Bob, "1234")
	d.expect(cash(d.Bob, ""), authz.PINRequired)
	d.expect(cash(d.Bob, "1234"), authz.Approved)
}

// However many PINs come at once, no more are wrong than there are tries.
func TestManyPINsAtOnce(t *testing.T) {
	d := newDesk(t)
	d.SetPIN(d.Alice, "4711")
	var waiters []waiter
	for range 50 {
		waiters = append(waiters, d.submit(d.withPIN(d.Alice, "0000")))
	}
	count := map[authz.Reason]int{}
	for _, w := range waiters {
		count[d.wait(w).Reason]++
	}
	if count[authz.PINWrong] > 2 || count[authz.PINTriesExceeded] > 1 ||
		count[authz.PINWrong]+count[authz.PINTriesExceeded]+count[authz.LockedPINTries]+count[authz.Inoperative] != 50 {
		t.Errorf("answers: %v", count)
	}
	if c := d.snapshot(d.Alice); int(c.PINTries) != count[authz.PINWrong]+count[authz.PINTriesExceeded] {
		t.Errorf("%d tries are counted of %v", c.PINTries, count)
	}
}

func TestCVV2(t *testing.T) {
	d := newDesk(t)
	with := func(value string, amount int64) *authz.Request {
		r := storetest.With(d.Request(d.Alice, authz.Authorization, amount), authz.Evidence{CVV2: pan.NewSecret(value)})
		if amount == 0 {
			r.Transaction = authz.Verification
		}
		return r
	}
	right := d.FullCard(d.Alice).CVV2
	d.expect(with(right.Reveal(), 1_00), authz.Approved)
	d.expect(with(right.Reveal(), 0), authz.NoReasonToRefuse)
	d.expect(with(otherCVV2(right), 0), authz.CVV2Wrong)
	d.expect(with(right.Reveal()+"0", 1_00), authz.CVV2Wrong)
	var after pan.Secret
	if err := d.Store.Update(t.Context(), func(q records.Querier) (err error) {
		after, err = records.ResetCVV2(t.Context(), q, d.Keys, d.Alice.Card)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	d.expect(with(right.Reveal(), 1_00), authz.CVV2Wrong)
	d.expect(with(after.Reveal(), 1_00), authz.Approved)
	if d.FullCard(d.Alice).CVV2.Reveal() != after.Reveal() {
		t.Error("the full card shows another CVV2 than the reset returned")
	}
	d.left(98_00, 148_00)
}

func TestChip(t *testing.T) {
	d := newDesk(t)
	with := func(amount int64, chip pan.Secret) *authz.Request {
		return storetest.With(d.Request(d.Alice, authz.Authorization, amount), authz.Evidence{Chip: chip})
	}
	good := with(1_00, d.Chip(d.Alice, 1_00, 5))
	first := d.expect(good, authz.Approved)
	if len(first.IssuerAuth) != 10 || string(first.IssuerAuth[8:]) != "00" {
		t.Errorf("the chip is answered in %d bytes", len(first.IssuerAuth))
	}
	again := *good
	again.Repeat = true
	if repeated := d.expect(&again, authz.Approved); string(repeated.IssuerAuth) != string(first.IssuerAuth) || !repeated.Repeated {
		t.Error("a repeat answers the chip otherwise")
	}
	if replayed := d.expect(with(1_00, d.Chip(d.Alice, 1_00, 5)), authz.CryptogramReplayed); replayed.IssuerAuth != nil {
		t.Error("who replays a cryptogram is answered by the card's key")
	}
	d.expect(with(1_00, d.Chip(d.Alice, 1_00, 4)), authz.CryptogramReplayed)
	d.expect(with(1_00, d.Chip(d.Alice, 1_00, 5+authz.ATCGapMax+1)), authz.CryptogramReplayed)
	if d := d.expect(with(1_00, d.Chip(d.Bob, 1_00, 6)), authz.CryptogramWrong); d.IssuerAuth != nil {
		t.Error("a chip that is not the card's is answered")
	}
	d.expect(with(2_00, d.Chip(d.Alice, 1_00, 6)), authz.ChipDataWrong)
	d.expect(with(1_00, pan.NewSecret("\x9f")), authz.ChipDataWrong)
	if short := d.expect(with(500_00, d.Chip(d.Alice, 500_00, 6)), authz.DepositShort); string(short.IssuerAuth[8:]) != "05" {
		t.Error("a decline does not say so to the chip")
	}
	d.expect(with(1_00, d.Chip(d.Alice, 1_00, 6)), authz.CryptogramReplayed) // it was used, though declined
	d.expect(with(1_00, d.Chip(d.Alice, 1_00, 7)), authz.Approved)
	d.left(98_00, 148_00)
}

func TestTrack(t *testing.T) {
	d := newDesk(t)
	full := d.FullCard(d.Alice)
	card := d.snapshot(d.Alice)
	for chip, mode := range map[bool]string{false: "902", true: "052"} {
		track, err := d.Keys.Track2(keystoreCard(card, full), chip)
		if err != nil {
			t.Fatal(err)
		}
		read := func(track pan.Secret, mode string) *authz.Request {
			r := storetest.With(d.Request(d.Alice, authz.Authorization, 1_00), authz.Evidence{Track2: track})
			r.Trace.EntryMode = mode
			return r
		}
		d.expect(read(track, mode), authz.Approved)
		if twin, err := d.Keys.Track2(keystoreCard(card, full), !chip); err != nil || twin.Reveal() != track.Reveal() { // the same by chance
			d.expect(read(track, map[bool]string{true: "902", false: "052"}[chip]), authz.TrackValueWrong)
		}
		d.expect(read(pan.NewSecret(full.Number.Reveal()+"==="), mode), authz.TrackValueWrong)
		d.expect(read(pan.NewSecret("no track"), mode), authz.TrackValueWrong)
	}
}

func keystoreCard(c authz.Card, full record.FullCard) keystore.Card {
	return keystore.Card{ID: int64(c.ID), Number: full.Number, Expiry: c.Expiry.YYMM(), Profile: c.Profile}
}

// refusing is a keystore that is away for a while.
type refusing struct {
	authz.Verifier
	away atomic.Bool
}

func (v *refusing) Verify(ctx context.Context, r *authz.Request, c *authz.Card) (authz.Proof, error) {
	if v.away.Load() {
		return authz.Proof{}, errors.New("the module does not answer")
	}
	return v.Verifier.Verify(ctx, r, c)
}

// Without keys nobody is told that his PIN is wrong, nothing is counted, and the repeat is decided.
func TestKeystoreAway(t *testing.T) {
	v := &refusing{}
	d := newDeskWith(t, func(d *desk, cfg *authz.Config) {
		v.Verifier = authz.NewVerifier(d.Keys)
		cfg.Verifier = v
	})
	d.SetPIN(d.Alice, "4711")
	v.away.Store(true)
	r := d.withPIN(d.Alice, "4711")
	d.expect(r, authz.Inoperative)
	d.expect(d.Request(d.Alice, authz.Authorization, 1_00), authz.Approved) // nothing to verify
	v.away.Store(false)
	again := *r
	again.Repeat = true
	d.expect(&again, authz.Approved)
	d.left(98_00, 148_00)
}

// Goal: a card that is still under its old tag is decided as ever while the tag key changes, and nobody else is found.
func TestOldTagIsFound(t *testing.T) {
	d := newDeskWith(t, func(d *desk, _ *authz.Config) {
		id, err := keystore.AddKey(d.KeyFile, nil, "pan-tag")
		if err == nil {
			err = keystore.ActivateKey(d.KeyFile, nil, id)
		}
		if err == nil {
			d.Keys, err = keystore.Open(d.KeyFile, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
	})
	if d.Keys.Tag(d.Alice.Number) == d.Alice.Tag {
		t.Fatal("the tag is the same under the new key")
	}
	d.expect(d.Request(d.Alice, authz.Authorization, 1_00), authz.Approved)
	stranger := d.Request(d.Alice, authz.Authorization, 1_00)
	stranger.PAN = otherNumber(t, d.Alice.Number)
	d.expect(stranger, authz.CardUnknown)
	d.left(99_00, 149_00)
}

// otherNumber is a number of the same range that nobody has.
func otherNumber(t *testing.T, n pan.Number) pan.Number {
	t.Helper()
	other, err := pan.Parse(n.BIN(8) + "77777777")
	if err != nil {
		t.Fatal(err)
	}
	return other
}
