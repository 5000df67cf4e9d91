// Package isotest makes messages for tests: good ones in any dialect, and bad ones of every kind. Only tests
// import it. What it makes depends on its arguments alone, so a failure can be run again.
package isotest

import (
	"fmt"
	"strings"

	"holdfast/switch/iso"
)

// PAN is a published test number that belongs to nobody.
const PAN = "4111111111111111"

// common are the elements that all editions write alike.
var common = map[int]string{
	2: PAN, 3: "000000", 7: "0314092653", 14: "2812", 19: "616", 23: "001", 32: "123456", 37: "607309000101",
	41: "TERM0001", 42: "MERCHANT0000001",
}

// byVersion are those that they write differently.
var byVersion = map[iso.Version]map[int]string{
	iso.V1987: {4: "000000001234", 11: "000101", 12: "102653", 13: "0314", 18: "5411", 22: "051", 25: "00",
		35: PAN + "D28122010000012345678", 43: "ACME STORE               WARSZAWA     PL", 49: "978"},
	iso.V1993: {4: "000000001234", 11: "000101", 12: "260314102653", 22: "21010121314C", 24: "100", 25: "1500", 26: "5411",
		35: PAN + "D28122010000012345678", 43: "ACME STORE               WARSZAWA     PL", 49: "978"},
	iso.V2003: {4: "9782000000001234", 11: "000000000101", 12: "20260314102653",
		22: "\x10\x00\x00\x00\x10\x00\x00\x00\x40\x00\x00\x00\x10\x00\x00\x00", 24: "100", 25: "1500", 26: "5411",
		35: PAN + "=28122010000012345678"},
}

// Purchase is a usual request of a purchase for 12.34 EUR: the message type 0100, or that of the dialect's edition.
// It panics when the dialect has no room for one of its elements.
func Purchase(d *iso.Dialect) *iso.Message {
	m := d.New(MTI(d, "100"))
	for _, values := range []map[int]string{common, byVersion[d.Version()]} {
		for de, v := range values {
			set(m, de, v)
		}
	}
	return m
}

// MTI is a message type of the dialect's edition, which is its first digit, from the other three.
func MTI(d *iso.Dialect, rest string) string {
	return map[iso.Version]string{iso.V1987: "0", iso.V1993: "1", iso.V2003: "2"}[d.Version()] + rest
}

// set gives the element the value, filled up to the length that the dialect gave a fixed element.
func set(m *iso.Message, de int, v string) {
	length := m.Dialect().Spec().Fields[de].Spec().Length
	fill := strings.Repeat(" ", max(0, length-len(v)))
	for _, filled := range []string{v, strings.Repeat("0", len(fill)) + v, v + fill, strings.Replace(v, "D", "=", 1)} {
		if m.Set(de, filled) == nil {
			return
		}
	}
	panic(fmt.Sprintf("isotest: internal error: %s has no room for a sample of element %d", m.Dialect().Name(), de))
}

// echoed are the elements that an answer repeats from its request.
var echoed = []int{2, 3, 4, 7, 11, 12, 13, 19, 32, 37, 41, 42, 49}

// Approval is the answer that approves a request.
func Approval(request *iso.Message) *iso.Message {
	d := request.Dialect()
	m := d.New(MTI(d, "110"))
	m.Copy(request, echoed...)
	set(m, 38, "A1B2C3")
	set(m, 39, map[iso.Version]string{iso.V1987: "00", iso.V1993: "000", iso.V2003: "0000"}[d.Version()])
	return m
}
