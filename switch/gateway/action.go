package gateway

import (
	"holdfast/authz"
	"holdfast/switch/iso"
)

// code is what DE 39 says for a reason, by version. The 2003 values are the ones that the seed prints
// for locks; the 1993 values are mostly the same without the zero after the first digit; the 1987 ones
// are two characters. The facts are those of ISO 8583 as public hosts use them: see action_codes.csv.
type code struct {
	reason              authz.Reason
	v2003, v1993, v1987 string
}

// codes has a row for each reason, in its order.
var codes = [...]code{
	{authz.Undefined, "9109", "909", "96"},
	{authz.Approved, "0000", "000", "00"},
	{authz.ApprovedPart, "0002", "002", "10"},
	{authz.NoReasonToRefuse, "0085", "000", "85"},
	{authz.AdviceAccepted, "9001", "901", "00"},
	{authz.AdviceRecorded, "9000", "900", "00"},
	{authz.ReversalAccepted, "4000", "400", "00"},
	{authz.NetworkAccepted, "8000", "800", "00"},
	{authz.FormatError, "9100", "904", "30"},
	{authz.PeerSignedOff, "9110", "910", "91"},
	{authz.BINUnknown, "9108", "908", "92"},
	{authz.TransactionUnknown, "9102", "902", "12"},
	{authz.RepeatMismatch, "9102", "902", "12"},
	{authz.CardUnknown, "1011", "111", "14"},
	{authz.CardRemoved, "1011", "111", "14"},
	{authz.LockedStolen, "2009", "209", "43"},
	{authz.LockedLost, "2008", "208", "41"},
	{authz.LockedReplaced, "1011", "111", "14"},
	{authz.LockedInactive, "1018", "118", "56"},
	{authz.LockedFraud, "1002", "102", "59"},
	{authz.LockedPINTries, "1006", "106", "75"},
	{authz.LockedConsolidation, "1016", "116", "51"},
	{authz.LockedQuery, "1000", "100", "05"},
	{authz.CardNotActivated, "1025", "125", "78"},
	{authz.CardExpired, "1001", "101", "54"},
	{authz.ExpiryMismatch, "1001", "101", "54"},
	{authz.TrackValueWrong, "1045", "122", "63"},
	{authz.ChipDataWrong, "1022", "122", "63"},
	{authz.CryptogramWrong, "1029", "129", "59"},
	{authz.CryptogramReplayed, "1029", "129", "59"},
	{authz.CVV2Wrong, "1045", "122", "63"},
	{authz.PINRequired, "1012", "112", "05"},
	{authz.PINNotSet, "1019", "119", "57"},
	{authz.PINBlockInvalid, "1026", "126", "81"},
	{authz.PINTriesExceeded, "1006", "106", "75"},
	{authz.PINWrong, "1017", "117", "55"},
	{authz.HolderRestricted, "1004", "104", "62"},
	{authz.BalanceRestricted, "1004", "104", "62"},
	{authz.CurrencyRefused, "9102", "902", "12"},
	{authz.AmountInvalid, "1010", "110", "13"},
	{authz.ReversedBefore, "1000", "100", "05"},
	{authz.AmountLimit, "1021", "121", "61"},
	{authz.DepositShort, "1016", "116", "51"},
	{authz.FundsShort, "1016", "116", "51"},
	{authz.DecisionLate, "9111", "911", "91"},
	{authz.Inoperative, "9107", "907", "91"},
	{authz.Malfunction, "9109", "909", "96"},
}

// A reason that is added to authz does not compile until it has its row here.
var _ = [1]struct{}{}[len(codes)-authz.ReasonCount]

// ActionCode is DE 39 for a reason in a version.
func ActionCode(r authz.Reason, v iso.Version) string {
	if int(r) >= len(codes) {
		r = authz.Malfunction
	}
	switch c := &codes[r]; v {
	case iso.V2003:
		return c.v2003
	case iso.V1993:
		return c.v1993
	default:
		return c.v1987
	}
}
