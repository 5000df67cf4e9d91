// Package problem is how the management API says no: RFC 9457 problem documents with a code that stays the
// same for ever. A document names the place of a mistake and the rule that it breaks, never the value: whoever
// sends a card number in the wrong field does not get it back, nor does a log.
package problem

import (
	"encoding/json"
	"errors"
	"net/http"

	"holdfast/authz"
	"holdfast/authz/record"
)

// ContentType is the media type of a problem document.
const ContentType = "application/problem+json"

// Field is one mistake in a request.
type Field struct {
	In      string `json:"in"`      // body, path, query or header
	Pointer string `json:"pointer"` // a JSON pointer (RFC 6901) in a body, otherwise the parameter's name
	Rule    string `json:"rule"`    // what it should have been
}

// Problem is one refusal. It is an error, so that rooms return it like any other.
type Problem struct {
	Type      string  `json:"type"`
	Title     string  `json:"title"`
	Status    int     `json:"status"`
	Code      Code    `json:"code"`
	Detail    string  `json:"detail,omitempty"`
	RequestID string  `json:"requestId,omitempty"`
	Fields    []Field `json:"fields,omitempty"`
}

// New makes a problem of a code. A code that the table does not know is a mistake of ours, and answered as one.
func New(code Code, fields ...Field) *Problem {
	row, ok := table[code]
	if !ok {
		code, row = Internal, table[Internal]
	}
	return &Problem{Type: "urn:holdfast:problem:" + string(code), Title: row.title, Status: row.status, Code: code, Fields: fields}
}

// Because adds a sentence of ours. It must not hold anything that came with the request.
func (p *Problem) Because(detail string) *Problem {
	p.Detail = detail
	return p
}

// Error is the code and the title, never a detail of the request.
func (p *Problem) Error() string { return string(p.Code) + ": " + p.Title }

// Body makes a problem about the body of a request, at a JSON pointer.
func Body(pointer, rule string) *Problem {
	return New(Validation, Field{In: "body", Pointer: pointer, Rule: rule})
}

// Of translates any error. What is not known is [Internal]: its text stays with us. Whether the cause deserves
// a line in the log is told by the status: 500 and more do.
func Of(err error) *Problem {
	var p *Problem
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &p):
		clone := *p
		return &clone
	case table[Code(record.Code(err))].status != 0:
		return domain(err)
	case errors.Is(err, authz.ErrUnknown):
		return New(OutcomeUnknown)
	case errors.Is(err, authz.ErrUnavailable):
		return New(Unavailable)
	case errors.As(err, &tooLarge):
		return New(BodyTooLarge)
	}
	return New(Internal)
}

// domain is a rule of the records that was broken. Its text is ours.
func domain(err error) *Problem {
	p := New(Code(record.Code(err)))
	if e, ok := errors.AsType[*record.Error](err); ok {
		p.Detail = e.Text
	}
	if field := record.Field(err); field != "" {
		p.Fields = []Field{{In: "body", Pointer: "/" + field, Rule: "breaks a rule of the records"}}
	}
	return p
}

// Send writes the document. It is the only writer of errors in the management API.
func Send(w http.ResponseWriter, requestID string, p *Problem) {
	p.RequestID = requestID
	h := w.Header()
	h.Set("Content-Type", ContentType)
	if p.Status == http.StatusTooManyRequests || p.Status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "1")
	}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="holdfast"`)
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(p.Text()) // a client that is gone needs no answer
}

// Text is the document.
func (p *Problem) Text() []byte {
	text, err := json.Marshal(p)
	if err != nil {
		panic(err) // strings and numbers always encode
	}
	return text
}
