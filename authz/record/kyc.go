package record

import (
	"bytes"
	"slices"
	"strings"
	"time"
	"unicode"

	"holdfast/authz"
)

// KYCState is how far a user is known.
type KYCState string

// The states of KYC. Balances and cards need ACCEPTED.
const (
	KYCNotStarted KYCState = "NOT_STARTED"
	KYCInProgress KYCState = "IN_PROGRESS"
	KYCAccepted   KYCState = "ACCEPTED"
	KYCRejected   KYCState = "REJECTED"
)

// To is whether a user's KYC may go from one state to another. The partner's own process sets its outcome
// whatever came before; ours opens a case first, and a rejected user may hand in again.
func (s KYCState) To(next KYCState, method KYCMethod) error {
	outcome := next == KYCAccepted || next == KYCRejected
	switch {
	case method == KYCByPartner && outcome && next != s,
		next == KYCInProgress && (s == KYCNotStarted || s == KYCRejected),
		outcome && s == KYCInProgress:
		return nil
	}
	return ErrState
}

// KYCMethod says who decides.
type KYCMethod string

// The three scenarios of the seed: the partner's own process, an operator of ours, our rules.
const (
	KYCByPartner  KYCMethod = "PARTNER"
	KYCByOperator KYCMethod = "OPERATOR"
	KYCByRules    KYCMethod = "AUTOMATED"
)

// KYCCase is one attempt to know a user.
type KYCCase struct {
	ID        UUID
	Version   int64
	Partner   authz.PartnerID
	User      authz.UserID
	State     KYCState // IN_PROGRESS, ACCEPTED or REJECTED
	Method    KYCMethod
	Findings  []Finding // what the rules found, in their order
	Note      string    // of whoever decided
	DecidedBy string
	OpenedAt  time.Time
	DecidedAt time.Time // zero while open
}

// Document is what a user hands in; its content is kept sealed, apart.
type Document struct {
	ID        UUID
	Case      UUID
	Partner   authz.PartnerID
	User      authz.UserID
	Kind      string // PASSPORT, IDENTITY_CARD, PROOF_OF_ADDRESS, SELFIE or OTHER
	MediaType string
	Size      int64
	Hash      []byte // SHA-256 of the content
	CreatedAt time.Time
}

// Bounds of documents.
const (
	DocumentBytesMax = 4 << 20
	DocumentsMax     = 10 // of one case
)

var documentKinds = []string{"PASSPORT", "IDENTITY_CARD", "PROOF_OF_ADDRESS", "SELFIE", "OTHER"}

// SniffDocument finds a document's media type by its content: pdf, jpeg and png are taken. What its sender or its
// name say does not count. The error is [ErrDocument].
func SniffDocument(kind string, content []byte) (mediaType string, err error) {
	if len(content) > DocumentBytesMax || !slices.Contains(documentKinds, kind) {
		return "", ErrDocument
	}
	for _, form := range []struct{ mediaType, head, tail string }{
		{"application/pdf", "%PDF-1.", "%%EOF"},
		{"application/pdf", "%PDF-2.", "%%EOF"},
		{"image/jpeg", "\xff\xd8\xff", "\xff\xd9"},
		{"image/png", "\x89PNG\r\n\x1a\n", "IEND\xaeB`\x82"},
	} {
		// Whatever follows the end of an image or a page is not shown by what shows it; a document is not where
		// to hide something. PDF allows a little white space.
		if bytes.HasPrefix(content, []byte(form.head)) && bytes.HasSuffix(bytes.TrimRight(content, "\r\n"), []byte(form.tail)) {
			return form.mediaType, nil
		}
	}
	return "", ErrDocument
}

// Finding is what a rule found wrong or doubtful.
type Finding string

// The findings of the automated rules.
const (
	FindingIncomplete  Finding = "DATA_INCOMPLETE"     // a field that KYC needs is absent
	FindingNoDocument  Finding = "DOCUMENT_MISSING"    // no passport or identity card
	FindingMRZ         Finding = "MRZ_CHECK_DIGITS"    // the machine readable zone contradicts itself
	FindingMRZMismatch Finding = "MRZ_DIFFERS"         // it names someone else
	FindingDocumentOld Finding = "DOCUMENT_EXPIRED"    // its date is past
	FindingUnderAge    Finding = "UNDER_AGE"           // younger than the program takes
	FindingBirth       Finding = "BIRTH_DATE_UNLIKELY" // in the future or beyond any age
	FindingWatchList   Finding = "WATCH_LIST"          // a name on the list
	FindingNoMRZ       Finding = "MRZ_MISSING"         // none was read: a person has to look
)

// Verdict is what the rules decide.
type Verdict string

// The verdicts. A queued case waits for an operator.
const (
	VerdictAccept Verdict = "ACCEPT"
	VerdictReject Verdict = "REJECT"
	VerdictQueue  Verdict = "QUEUE"
)

// KYCRules are the automated rules' settings.
type KYCRules struct {
	AgeMin    int         // in years; default 18
	WatchList []WatchName // names that a person has to look at
}

// WatchName is a name to look out for; the date of birth may be unknown.
type WatchName struct{ Name, BirthDate string }

// ageMax is beyond anyone who ever lived; the date is a mistake then.
const ageMax = 125

// Judge applies the rules to a user, the documents' kinds, and the machine readable zone of the identity document
// (empty: none was read), at a moment. What proves the data wrong rejects, what is merely doubtful queues: a name on
// the list may be someone else's.
func (r *KYCRules) Judge(u *User, documents []Document, mrz string, at time.Time) (Verdict, []Finding) {
	var found []Finding
	verdict := VerdictAccept
	note := func(f Finding, v Verdict) {
		found = append(found, f)
		if verdict != VerdictReject {
			verdict = v
		}
	}
	if u.FirstName == "" || u.LastName == "" || u.BirthDate == "" || u.Nationality == "" {
		note(FindingIncomplete, VerdictQueue)
	}
	if !slices.ContainsFunc(documents, func(d Document) bool { return d.Kind == "PASSPORT" || d.Kind == "IDENTITY_CARD" }) {
		note(FindingNoDocument, VerdictQueue)
	}
	if born, err := time.Parse(time.DateOnly, u.BirthDate); err == nil {
		least := r.AgeMin
		if least == 0 {
			least = 18
		}
		switch age := Age(born, at); {
		case age < 0 || age > ageMax:
			note(FindingBirth, VerdictReject)
		case age < least:
			note(FindingUnderAge, VerdictReject)
		}
	}
	switch zone, err := ParseMRZ(mrz); {
	case mrz == "":
		note(FindingNoMRZ, VerdictQueue)
	case err != nil:
		note(FindingMRZ, VerdictReject)
	default:
		if !zone.names(u) {
			note(FindingMRZMismatch, VerdictQueue)
		}
		if zone.expired(at) {
			note(FindingDocumentOld, VerdictReject)
		}
	}
	if r.watched(u) {
		note(FindingWatchList, VerdictQueue)
	}
	return verdict, found
}

// Age is the number of birthdays that someone has had, in UTC; below zero for one not born yet.
func Age(born, at time.Time) int {
	at = at.UTC()
	age := at.Year() - born.Year()
	if at.Month() < born.Month() || at.Month() == born.Month() && at.Day() < born.Day() {
		age--
	}
	return age
}

// watched compares names as sets of words, without case and accents: lists and passports differ in their order.
func (r *KYCRules) watched(u *User) bool {
	words := nameWords(u.Name())
	return slices.ContainsFunc(r.WatchList, func(w WatchName) bool {
		if w.BirthDate != "" && u.BirthDate != "" && w.BirthDate != u.BirthDate {
			return false
		}
		listed := nameWords(w.Name)
		return len(listed) > 0 && !slices.ContainsFunc(listed, func(word string) bool { return !slices.Contains(words, word) })
	})
}

// nameWords are the words of a name in the letters that a machine readable zone has.
func nameWords(name string) []string {
	return strings.FieldsFunc(transliterate(name), func(r rune) bool { return r < 'A' || r > 'Z' })
}

// transliterate writes a name in capitals from A to Z, as ICAO Doc 9303 part 3, section 6 A recommends for
// Latin letters; what is no letter becomes a space.
func transliterate(name string) string {
	var b strings.Builder
	for _, r := range name {
		r = unicode.ToUpper(r)
		switch {
		case r >= 'A' && r <= 'Z':
			b.WriteRune(r)
		case latin[r] != "":
			b.WriteString(latin[r])
		case r == '\'' || r == '\u2019' || unicode.Is(unicode.Mn, r):
			// left out: an apostrophe joins, an accent of its own follows its letter
		default:
			b.WriteByte(' ')
		}
	}
	return b.String()
}

var latin = func() map[rune]string {
	m := map[rune]string{}
	for _, row := range []struct{ letters, as string }{
		{"ÀÁÂÃĀĂĄ", "A"}, {"ÄÆ", "AE"}, {"Å", "AA"}, {"ÇĆĈĊČ", "C"}, {"ÐĎĐ", "D"}, {"ÈÉÊËĒĔĖĘĚ", "E"}, {"ĜĞĠĢ", "G"},
		{"ĤĦ", "H"}, {"ÌÍÎÏĨĪĬĮİ", "I"}, {"Ĳ", "IJ"}, {"Ĵ", "J"}, {"Ķ", "K"}, {"ĹĻĽĿŁ", "L"}, {"ÑŃŅŇ", "N"}, {"Ŋ", "N"},
		{"ÒÓÔÕŌŎŐ", "O"}, {"ÖØŒ", "OE"}, {"ŔŖŘ", "R"}, {"ŚŜŞŠȘ", "S"}, {"ẞß", "SS"}, {"ŢŤŦȚ", "T"}, {"Þ", "TH"},
		{"ÙÚÛŨŪŬŮŰŲ", "U"}, {"Ü", "UE"}, {"Ŵ", "W"}, {"ÝŶŸ", "Y"}, {"ŹŻŽ", "Z"},
	} {
		for _, r := range row.letters {
			m[r] = row.as
		}
	}
	return m
}()
