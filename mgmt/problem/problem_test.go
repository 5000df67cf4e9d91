package problem_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"holdfast/authz"
	"holdfast/authz/record"
	"holdfast/mgmt/problem"
)

// Goal: every error has one answer, and no answer tells the error's own text. Method: errors of each origin, wrapped.
func TestErrorsBecomeProblems(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err    error
		code   problem.Code
		status int
	}{
		"a problem":            {problem.New(problem.Forbidden), problem.Forbidden, 403},
		"a domain's code":      {record.ErrLockFinal, "CARD_LOCK_IRREVERSIBLE", 409},
		"a code without a row": {&record.Error{Code: "NO_SUCH_CODE", Text: "secret"}, problem.Internal, 500},
		"absent":               {authz.ErrNotFound, problem.NotFound, 404},
		"store away":           {authz.ErrUnavailable, problem.Unavailable, 503},
		"perhaps done":         {authz.ErrUnknown, problem.OutcomeUnknown, 503},
		"a body too large":     {&http.MaxBytesError{Limit: 9}, problem.BodyTooLarge, 413},
		"anything else":        {errors.New("4111111111111111"), problem.Internal, 500},
	} {
		w := httptest.NewRecorder()
		problem.Send(w, "r-1", problem.Of(fmt.Errorf("read the secret detail: %w", c.err)))
		var got problem.Problem
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if got.Code != c.code || got.Status != c.status || w.Code != c.status || got.RequestID != "r-1" || got.Title == "" {
			t.Errorf("%s: %d %+v, want %d %s", name, w.Code, got, c.status, c.code)
		}
		if strings.Contains(w.Body.String(), "secret") || strings.Contains(w.Body.String(), "4111") {
			t.Errorf("%s: the answer tells the cause", name)
		}
		if w.Header().Get("Content-Type") != problem.ContentType {
			t.Errorf("%s: content type %q", name, w.Header().Get("Content-Type"))
		}
	}
}

// Goal: a problem that a room keeps as a value is not written to by those who send it.
func TestSentProblemsAreCopies(t *testing.T) {
	t.Parallel()
	kept := problem.New(problem.Conflict)
	problem.Send(httptest.NewRecorder(), "r-2", problem.Of(kept))
	if kept.RequestID != "" {
		t.Error("the sender wrote into the problem of the room")
	}
}

// Goal: no rule of the records is answered as a mistake of ours. Method: each of their errors has a row.
func TestRulesOfTheRecordsHaveRows(t *testing.T) {
	t.Parallel()
	for _, err := range []error{record.ErrValidation, record.ErrCursor, record.ErrExists, record.ErrVersion, record.ErrState,
		record.ErrUserLocked, record.ErrUserRemoved, record.ErrPartner, record.ErrKYC, record.ErrCurrency, record.ErrBIN,
		record.ErrFunding, record.ErrFunds, record.ErrCreditFunds, record.ErrBalanceLocked, record.ErrBalanceClosed,
		record.ErrNotZero, record.ErrCardsLeft, record.ErrExternalID, record.ErrCardLocked, record.ErrCardNotLocked,
		record.ErrLockFinal, record.ErrLockOutside, record.ErrCardRemoved, record.ErrCardExpired, record.ErrCardKind,
		record.ErrNotAllowed, record.ErrSecondPerson, record.ErrExpired, record.ErrUsed, record.ErrTooMany, record.ErrDocument,
		record.ErrKeyReused, record.ErrKeyInFlight, record.ErrLimit} {
		if p := problem.Of(err); p.Status >= 500 || string(p.Code) != record.Code(err) {
			t.Errorf("%v is answered %d %s", err, p.Status, p.Code)
		}
	}
}
