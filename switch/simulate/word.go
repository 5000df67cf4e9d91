package simulate

import (
	"slices"
	"strings"

	"holdfast/switch/iso"
)

// word is an outcome by the action codes that say it, in pairs of 2003, 1993 and 1987.
type word struct {
	about string
	codes [][3]string
	lock  int // the reason whose own code a peer may have
}

// words are the outcomes that a step can expect. Those without codes are judged otherwise.
var words = map[string]word{
	"answered": {about: "any answer"},
	"declined": {about: "any answer that does not let the cardholder go ahead"},
	"silence":  {about: "no answer"},

	"approved":     {about: "in full", codes: [][3]string{{"0000", "000", "00"}}},
	"part":         {about: "approved in part: see amount", codes: [][3]string{{"0002", "002", "10"}}},
	"verified":     {about: "nothing speaks against the card", codes: [][3]string{{"0085", "000", "85"}, {"0000", "000", "00"}}},
	"acknowledged": {about: "an advice was taken", codes: [][3]string{{"9000", "900", "00"}, {"9001", "901", "00"}}},
	"reversed":     {about: "a reversal was taken", codes: [][3]string{{"4000", "400", "00"}}},
	"accepted":     {about: "network management was carried out", codes: [][3]string{{"8000", "800", "00"}}},
	"changed":      {about: "a file action was carried out", codes: [][3]string{{"3000", "300", "00"}}},
	"duplicate":    {about: "a file action that changes nothing", codes: [][3]string{{"3008", "308", "26"}}},
	"kept":         {about: "a lock that cannot be removed", codes: [][3]string{{"3006", "306", "29"}}},
	"reconciled": {about: "totals were compared, in balance or not",
		codes: [][3]string{{"5000", "500", "00"}, {"5001", "501", "00"}}},

	"funds-short":    {about: "not enough money", codes: [][3]string{{"1016", "116", "51"}}},
	"card-unknown":   {about: "no such card", codes: [][3]string{{"1011", "111", "14"}}},
	"not-active":     {about: "not activated yet", codes: [][3]string{{"1025", "125", "78"}}},
	"expired":        {about: "expired, or another expiry", codes: [][3]string{{"1001", "101", "54"}}},
	"overtaken":      {about: "its reversal has come before it", codes: [][3]string{{"1000", "100", "05"}}},
	"refused-format": {about: "a format error", codes: [][3]string{{"9100", "904", "30"}}},
	"refused-kind":   {about: "not something that the host does", codes: [][3]string{{"9102", "902", "12"}}},
	"signed-off":     {about: "the link is not signed on", codes: [][3]string{{"9110", "910", "91"}}},

	"locked-lost":          {about: "locked as lost", codes: [][3]string{{"2008", "208", "41"}}, lock: 1},
	"locked-stolen":        {about: "locked as stolen", codes: [][3]string{{"2009", "209", "43"}}, lock: 2},
	"locked-query":         {about: "locked for a query", codes: [][3]string{{"1000", "100", "05"}}, lock: 3},
	"locked-consolidation": {about: "locked for consolidation", codes: [][3]string{{"1016", "116", "51"}}, lock: 4},
	"locked-inactive":      {about: "locked as inactive", codes: [][3]string{{"1018", "118", "56"}}, lock: 5},
	"locked-pin-tries":     {about: "locked after PIN tries", codes: [][3]string{{"1006", "106", "75"}}, lock: 6},
	"locked-fraud":         {about: "locked for fraud", codes: [][3]string{{"1002", "102", "59"}}, lock: 7},
	"locked-replaced":      {about: "locked as replaced", codes: [][3]string{{"1011", "111", "14"}}, lock: 8},
}

// accepts are the values of DE 39 that say the word in a dialect; none means that DE 39 alone does not tell.
func (w *word) accepts(p *iso.Profile) []string {
	var out []string
	for _, row := range w.codes {
		code := row[2]
		switch {
		case p.LockCodes[w.lock] != "":
			code = p.LockCodes[w.lock]
		case p.ActionCodes[row[0]] != "":
			code = p.ActionCodes[row[0]]
		case p.Forms.ActionCodes == iso.V2003:
			code = row[0]
		case p.Forms.ActionCodes == iso.V1993:
			code = row[1]
		}
		if !slices.Contains(out, code) {
			out = append(out, code)
		}
	}
	return out
}

// goesAhead reports whether an action code lets the cardholder go ahead.
func goesAhead(code string, form iso.Version) bool {
	if form != iso.V1987 {
		return strings.HasPrefix(code, "0")
	}
	return slices.Contains([]string{"00", "08", "10", "11", "16", "85", "87"}, code)
}
