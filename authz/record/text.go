package record

import (
	"net/netip"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// checks collects the first field that is wrong.
type checks struct{ err error }

func (c *checks) fail(field, want string) {
	if c.err == nil {
		c.err = Invalid(field, want)
	}
}

// text wants at most runes characters, none of them a control, and no space at either end.
func (c *checks) text(field, s string, required bool, runes int) {
	switch {
	case s == "":
		if required {
			c.fail(field, "is missing")
		}
	case !utf8.ValidString(s) || strings.TrimSpace(s) != s || strings.ContainsFunc(s, unprintable):
		c.fail(field, "has characters that it must not have")
	case utf8.RuneCountInString(s) > runes:
		c.fail(field, "is too long")
	}
}

// unprintable is a control, a mark of the direction of writing, or what no character is.
func unprintable(r rune) bool {
	return unicode.IsControl(r) || r == utf8.RuneError || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
}

// email is deliberately loose: only a message that arrives proves an address. RFC 5321 bounds the lengths.
func (c *checks) email(field, s string, required bool) {
	c.text(field, s, required, 254)
	if s == "" {
		return
	}
	local, domain, ok := strings.Cut(s, "@")
	if !ok || local == "" || len(local) > 64 || strings.Contains(domain, "@") || !strings.Contains(domain, ".") ||
		strings.HasPrefix(domain, ".") || strings.HasSuffix(domain, ".") || strings.ContainsAny(s, " <>,;:\"()[]\\") {
		c.fail(field, "is no e-mail address")
	}
}

// phone wants the international form of ITU-T E.164: a plus and up to 15 digits.
func (c *checks) phone(field, s string, required bool) {
	c.text(field, s, required, 16)
	if s == "" {
		return
	}
	if len(s) < 8 || s[0] != '+' || s[1] == '0' || strings.Trim(s[1:], "0123456789") != "" {
		c.fail(field, "is no telephone number with plus and country code")
	}
}

// letters wants exactly n capital letters, as country codes have them.
func (c *checks) letters(field, s string, required bool, n int) {
	if s == "" {
		if required {
			c.fail(field, "is missing")
		}
		return
	}
	if len(s) != n || strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		c.fail(field, "has the wrong form")
	}
}

// date wants a day as 2006-01-02.
func (c *checks) date(field, s string, required bool) {
	if s == "" {
		if required {
			c.fail(field, "is missing")
		}
		return
	}
	if _, err := time.Parse(time.DateOnly, s); err != nil {
		c.fail(field, "is no date")
	}
}

// link wants an https address without user and fragment.
func (c *checks) link(field, s string, required bool) {
	c.text(field, s, required, 500)
	if s == "" || c.err != nil {
		return
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Fragment != "" {
		c.fail(field, "is no https address")
	}
}

// networks wants addresses or networks in CIDR form.
func (c *checks) networks(field string, list []string, most int) {
	if len(list) > most {
		c.fail(field, "has too many entries")
	}
	for _, s := range list {
		if _, err := netip.ParsePrefix(s); err != nil {
			if _, err := netip.ParseAddr(s); err != nil {
				c.fail(field, "is no address or network")
			}
		}
	}
}
