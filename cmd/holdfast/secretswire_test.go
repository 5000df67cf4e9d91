package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"holdfast/switch/client"
	"holdfast/switch/iso"
	"holdfast/switch/iso/isotest"
	"holdfast/switch/wirelog"
)

// The secrets that messages carry beside those of real cards.
const (
	unknownNumber = "9999991000076191"
	foreignNumber = "4000003817123454"
	discretionary = "4912101987654321"
	track1        = "B9999991000000012^CARLA/PLANTED^4912101987654321"
	pinBlockSent  = "\x9d\x31\xc7\x04\xe8\x5b\xa2\x7f"
	cvvPrivate    = "CVV2:831-7"
	cvvNational   = "CSC=60412887"
	chipSent      = "\x9f\x26\x08\xd1\x3c\x77\x09\xfe\x12\xab\xe4"
)

// plantMessages plants what every message of a run may carry.
func (v *vault) plantMessages() {
	for name, value := range map[string]string{"number of an unknown card": unknownNumber, "number of a foreign card": foreignNumber,
		"number of a known card": "9999991000000012", "track 1": track1, "discretionary data": discretionary, "PIN block": pinBlockSent,
		"CVV in a private field": cvvPrivate, "CVV in DE 120": cvvNational, "cryptogram": chipSent} {
		v.Plant(name, []byte(value))
	}
}

// wanted are the elements of a message of a card. A dialect takes those that it has, in the form that it has.
func wanted(number, expiry, cvc string, serial int) map[int]string {
	now := time.Now().UTC()
	track2 := number + "=" + discretionary
	return map[int]string{2: number, 3: "000000", 4: "000000000100", 7: now.Format("0102150405"), 11: strconv.Itoa(100000 + serial),
		12: now.Format("150405"), 13: now.Format("0102"), 14: expiry, 18: "5411", 22: "051", 32: "400001", 35: track2[:min(len(track2), 37)],
		37: strconv.Itoa(500000000000 + serial), 41: "TERM0001", 42: "MERCHANT0000001", 43: "SHOP                     LUBLIN       PL", 45: track1,
		48: cvvPrivate + " CVC2 " + cvc, 49: "978", 52: pinBlockSent, 55: chipSent, 60: number, 61: track1, 120: cvvNational,
		126: cvvPrivate}
}

// messages are whole messages of every kind for each number, and each of them cut, lengthened, changed and out of step with
// its frame; and some with a number where none belongs.
func (v *vault) messages(d *iso.Dialect, cards []plainCard) (all [][]byte) {
	v.t.Helper()
	who := []plainCard{{CardNumber: unknownNumber, ExpiryDate: "2049-12-31", CVC2: "831"}, {CardNumber: foreignNumber, ExpiryDate: "2049-12-31", CVC2: "831"}}
	if len(cards) > 0 {
		who = append(who, cards[0], cards[len(cards)-1])
	}
	serial, taken := 0, 0
	for _, c := range who {
		for _, kind := range []string{"100", "101", "120", "200", "400", "420", "500", "800", "304"} {
			serial++
			elements := wanted(c.CardNumber, c.yymm(), c.CVC2, serial+int(time.Now().UnixMilli()%100000))
			m := d.New(map[iso.Version]string{iso.V1987: "0", iso.V1993: "1", iso.V2003: "2"}[d.Version()] + kind)
			for _, de := range slices.Sorted(maps.Keys(elements)) {
				if d.Version() == iso.V1993 && (de == 12 || de == 22) {
					continue
				}
				if m.Set(de, elements[de]) == nil {
					taken++
				}
			}
			body, err := m.Append(nil)
			for _, de := range []int{126, 120, 61, 60, 55, 48, 45, 43, 12, 22} { // what the dialect has otherwise
				if err == nil {
					break
				}
				m.Unset(de)
				body, err = m.Append(nil)
			}
			if err != nil || len(body) < 80 {
				v.t.Fatalf("%s, kind %s: %d bytes, %v", d.Name(), kind, len(body), err)
			}
			all = append(all, body, append(bytes.Clone(body), c.CardNumber...), body[:len(body)-9], body[:70])
			for at := 36; at < len(body); at += 151 {
				changed := bytes.Clone(body)
				changed[at] ^= 0x81
				all = append(all, changed)
			}
		}
		all = append(all, []byte(c.CardNumber+c.CardNumber), []byte("0100"+c.CardNumber+c.CardNumber+c.CardNumber))
		if c.CardNumber != unknownNumber {
			all = append(all, v.misplaced(d, c, serial)...)
		}
	}
	if taken < 15*len(who)*9 {
		v.t.Errorf("%s took %d elements only: the test is not looking", d.Name(), taken)
	}
	return all
}

// misplaced have a number where none belongs.
func (v *vault) misplaced(d *iso.Dialect, c plainCard, serial int) (all [][]byte) {
	for _, de := range []int{3, 7, 11, 13, 18, 32, 33, 37, 38, 41, 42, 43, 44, 49, 90, 100, 102, 103} {
		m := d.New("0100")
		for de, text := range wanted(c.CardNumber, c.yymm(), c.CVC2, 400+serial+de) {
			if de < 50 && de != 45 && de != 48 {
				_ = m.Set(de, text) // what the dialect has otherwise is left out
			}
		}
		texts := []string{c.CardNumber, c.CardNumber[:12], c.CardNumber[:10], c.CardNumber[:6], c.CardNumber[:4], c.CardNumber[:3],
			fmt.Sprintf("%-15.15s", c.CardNumber), fmt.Sprintf("SHOP %s %-20s", c.CardNumber, "LUBLIN"[:5])[:40]}
		if de == 43 {
			texts = append(texts, inPlaces(c.CardNumber)...)
		}
		for i, text := range texts {
			if de == 43 {
				decidable(m, 100*serial+i)
			}
			if m.Set(de, text) == nil {
				if body, err := m.Append(nil); err == nil {
					all = append(all, body)
				}
			}
		}
	}
	return all
}

// decidable gives a message of any edition what it cannot be decided without, and a number by which it is no repeat.
func decidable(m *iso.Message, number int) {
	d, now := m.Dialect(), time.Now().UTC()
	m.SetMTI(isotest.MTI(d, "100"))
	for de, v := range map[iso.Version]map[int]string{
		iso.V1987: {11: fmt.Sprintf("%06d", number)}, iso.V1993: {11: fmt.Sprintf("%06d", number), 12: now.Format("060102150405")},
		iso.V2003: {4: "9782000000000100", 11: fmt.Sprintf("%012d", number), 12: now.Format("20060102150405")}}[d.Version()] {
		_ = m.Set(de, v) // one that is not decided proves nothing, and the others do
	}
}

// inPlaces are names and locations of merchants with a number in them: in groups, over the borders of the parts, and in each of
// the forms that the editions have.
func inPlaces(number string) []string {
	half := len(number) / 2
	groups := number[:4] + " " + number[4:8] + " " + number[8:12] + " " + number[12:]
	return []string{fmt.Sprintf("%-40s", groups+" LUBLIN PL"), fmt.Sprintf("%-17s%-23s", "SHOP", number), fmt.Sprintf("%-24.24s%s", "SHOP", number),
		`SHOP\STREET\` + number + `\20-001    LUBPOL`, number[:half] + `\STREET\` + number[half:] + `\20-001       POL`,
		"\x52\x00\x00\x00\x00\x00\x00\x00\x16" + number + "\x08" + number[:8] + "POL"}
}

// exchange sends one message on a link of its own, which is logged, and counts an answer.
func (v *vault) exchange(log *wirelog.Log, d *iso.Dialect, addr string, body []byte) (answered int) {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.t.Context(), 5*time.Second)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		v.t.Fatal(err)
	}
	format := d.Profile().Framing
	tap := wirelog.Tap{Log: log, Peer: d.Name(), Dialect: d, Format: format}
	link := client.NewRaw(tap.Wrap(conn, "link"), format)
	if err := link.Write(body); err == nil { // a broken one may have ended the link
		if err := link.CloseWrite(); err == nil {
			if answer, err := link.Read(ctx); err == nil {
				answered = 1
				v.put("the answers in "+d.Name(), string(answer))
			}
		}
	}
	_ = link.Close() // the switch may have closed it
	return answered
}

// answersMay are the secrets that an answer to a message may have: the number that it asks about.
func answersMay() map[string][]string {
	may := map[string][]string{}
	for _, name := range secretDialects {
		may["the answers in "+name] = []string{"number", "a number of the BIN"}
	}
	return may
}

// listenersOf are listeners for the dialects of a run.
func secretListeners() (all []listenerConfig) {
	for _, name := range secretDialects {
		all = append(all, listenerConfig{Name: strings.ReplaceAll(name, "-", ""), Address: "127.0.0.1:0",
			Settings: peerSettings{Dialect: name, Deadline: fullDeadline}})
	}
	return all
}
