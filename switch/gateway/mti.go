package gateway

import (
	"holdfast/authz"
	"holdfast/switch/iso"
)

// mti reads a message type indicator: version, class, function, origin.
type mti string

const (
	classAuthorization  = '1'
	classFinancial      = '2'
	classFile           = '3'
	classReversal       = '4'
	classReconciliation = '5'
	classNetwork        = '8'

	functionRequest      = '0'
	functionAdvice       = '2'
	functionNotification = '4'

	originIssuer = '2'
)

// versionDigit is the first digit of the message types of an edition.
func versionDigit(v iso.Version) byte {
	switch v {
	case iso.V1993:
		return '1'
	case iso.V2003:
		return '2'
	}
	return '0'
}

func (m mti) valid(version byte) bool {
	return len(m) == 4 && m[0] == version && m[1] >= '1' && m[1] <= '8' && m[2] <= '7' && m[3] <= '5'
}

func (m mti) class() byte    { return m[1] }
func (m mti) function() byte { return m[2] }
func (m mti) repeat() bool   { return (m[3]-'0')&1 == 1 }

// origin is who speaks, without the repeat bit.
func (m mti) origin() byte { return m[3] &^ 1 }

// told reports whether the message says what has happened: it is acknowledged, and never declined for a business
// reason. A request to reverse undoes too.
func (m mti) told() bool { return m.class() == classReversal || m.function() != functionRequest }

// answerable reports whether the sender waits for an answer: requests and advices are answered,
// answers and notifications are not.
func (m mti) answerable() bool { return m[2] == functionRequest || m[2] == functionAdvice }

// meant reports whether the message wants something of us: requests, advices and notifications do.
func (m mti) meant() bool { return m.answerable() || m[2] == functionNotification }

// answer is the type of the answer: the function one up, and the origin without its repeat bit
// (0100 and 0101 are answered by 0110, 0421 by 0430, 2305 by 2314).
func (m mti) answer() string {
	return string([]byte{m[0], m[1], m[2] + 1, m[3] &^ 1})
}

// kind is what the authorizer is asked for. What an issuer sends (chargebacks, its own authorizations) is not for an
// issuer to decide.
func (m mti) kind() (authz.Kind, bool) {
	if m.origin() == originIssuer {
		return 0, false
	}
	switch request := m.function() == functionRequest; {
	case m.class() == classReversal:
		return authz.Reversal, true
	case m.class() == classAuthorization && request:
		return authz.Authorization, true
	case m.class() == classAuthorization:
		return authz.AuthorizationAdvice, true
	case m.class() == classFinancial && request:
		return authz.Financial, true
	case m.class() == classFinancial:
		return authz.FinancialAdvice, true
	}
	return 0, false
}
