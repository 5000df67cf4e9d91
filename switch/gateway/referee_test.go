package gateway_test

import (
	"testing"

	"holdfast/switch/iso"
	"holdfast/switch/iso/isotest"
)

// TestTsharkReadsOurAnswers has an outside program read the answers that leave: approved, declined, refused for their
// form, with a balance, to advices, reversals and network management.
func TestTsharkReadsOurAnswers(t *testing.T) {
	isotest.NeedTool(t, "tshark")
	for _, name := range dialects {
		c := open(t, name)
		purchase := c.message("0100", c.Alice, nil)
		original := elements{90: "0100" + purchase.Get(11) + purchase.Get(7) + "00000400001" + "00000000000"}
		network := func(code string) *iso.Message {
			m := c.peer.Dialect.New("0800")
			for de, v := range map[int]string{7: "1122120001", 11: "000001", 70: code} {
				if err := m.Set(de, v); err != nil {
					t.Fatal(err)
				}
			}
			return m
		}
		answers := []*iso.Message{
			c.expect(purchase, "00"),
			c.expect(c.message("0100", c.Alice, elements{4: "000099999999"}), "51"),
			c.expect(c.message("0100", c.Alice, elements{3: ""}), "30"),
			c.expect(c.message("0100", c.Alice, elements{3: "310000", 4: "000000000000"}), "00"),
			c.expect(c.message("0120", c.Alice, elements{38: "123456", 39: "00"}), "00"),
			c.expect(c.message("0200", c.Alice, nil), "00"),
			c.expect(c.message("0420", c.Alice, original), "00"),
			c.expect(network("001"), "00"),
			c.expect(network("301"), "00"),
		}
		isotest.TsharkReads(t, c.peer.Dialect, answers)
	}
}
