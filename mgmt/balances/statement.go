package balances

import (
	"context"
	"encoding/csv"
	"strconv"
	"strings"
	"time"

	"holdfast/authz/record"
	"holdfast/mgmt"
)

// Line is an entry of a statement. Transaction names what the network did, movement what the API did.
type Line struct {
	At          time.Time   `json:"date"`
	Kind        string      `json:"kind"`
	Amount      int64       `json:"amount"` // signed
	Currency    string      `json:"currency" rule:"format=currency"`
	Transaction record.UUID `json:"transactionId,omitzero"`
	Movement    record.UUID `json:"movementId,omitzero"`
	ExternalID  string      `json:"externalId,omitempty"`
	Description string      `json:"description,omitempty" note:"A movement's own, or the merchant's name, city and country."`
}

// Statement is a page of a balance's entries, newest first.
type Statement struct{ mgmt.List[Line] }

// period chooses a part of a statement.
type period struct {
	mgmt.Page
	Since time.Time `query:"since"`
	Until time.Time `query:"until"`
}

func statementOf(ctx context.Context, c *mgmt.Call, b *record.Balance, in period) (Statement, error) {
	l, err := mgmt.In[Tx](c).Statement(ctx, record.StatementFilter{Balance: b.ID, Since: in.Since, Until: in.Until}, in.Ask())
	return Statement{mgmt.Show(l, func(l *record.Line) Line {
		s := Line{At: l.At, Kind: l.Kind, Amount: l.Amount, Currency: b.Currency.Alpha(), Movement: l.Movement, ExternalID: l.ExternalID,
			Description: l.Description}
		if l.Authorization != 0 {
			s.Transaction = record.TransactionID(l.Authorization)
		}
		return s
	})}, err
}

// WriteCSV implements [mgmt.Sheet].
func (s Statement) WriteCSV(w *csv.Writer) error {
	if err := w.Write([]string{"date", "kind", "amount", "currency", "transactionId", "movementId", "externalId",
		"description"}); err != nil {
		return err
	}
	for _, l := range s.Items {
		if err := w.Write([]string{l.At.UTC().Format(time.RFC3339Nano), l.Kind, strconv.FormatInt(l.Amount, 10), l.Currency,
			l.Transaction.String(), l.Movement.String(), harmless(l.ExternalID), harmless(l.Description)}); err != nil {
			return err
		}
	}
	return nil
}

// NextPage implements [mgmt.Sheet].
func (s Statement) NextPage() string { return s.Next }

// harmless keeps a spreadsheet from taking a caller's text for a formula.
func harmless(text string) string {
	if strings.HasPrefix(text, "=") || strings.HasPrefix(text, "+") || strings.HasPrefix(text, "-") || strings.HasPrefix(text, "@") {
		return "'" + text
	}
	return text
}
