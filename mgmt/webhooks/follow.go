package webhooks

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"holdfast/authz"
	"holdfast/authz/record"
	"holdfast/mgmt"
)

// Notification is the body that tells of a transaction: antaca's, with two statuses. The outer one says how the message
// was processed, the inner one where the transaction is.
type Notification struct {
	Status      string              `json:"status"`
	Date        string              `json:"date"`
	Description string              `json:"description"`
	Transaction NotifiedTransaction `json:"transaction"`
}

// NotifiedTransaction is the transaction in a [Notification]. Amount is on the balance's side, the original one on the
// merchant's, both in minor units.
type NotifiedTransaction struct {
	ID               string  `json:"id"`
	Balance          string  `json:"balanceId"`
	ResourceID       string  `json:"resourceId"`
	Resource         string  `json:"resource"`
	Card             string  `json:"cardId"`
	External         string  `json:"externalTransactionId"`
	Reference        *string `json:"referenceExternalTransactionId"`
	ReferenceDate    *string `json:"referenceExternalTransactionDate"`
	Type             string  `json:"type"`
	Category         string  `json:"category"`
	Amount           int64   `json:"amount"`
	Currency         string  `json:"currency"`
	OriginalAmount   int64   `json:"originalAmount"`
	OriginalCurrency string  `json:"originalCurrency"`
	Status           string  `json:"status"`
	Description      string  `json:"description"`
	Date             string  `json:"date"`
	Data             Data    `json:"transactionData"`
}

// Data is what the message said of the place.
type Data struct {
	MCC         string `json:"mcc"`
	Merchant    string `json:"merchantIdentifier"`
	CaptureMode string `json:"captureMode"`
	Last4       string `json:"lastFourDigits"`
}

// notify makes the body for a row of the journal. A reversal tells of its original, and refers to it.
func notify(x, original *record.Transaction) Notification {
	n := Notification{Date: x.At.Format(time.RFC3339)}
	told := *x
	if original != nil {
		told.State, told.Amount, told.Requested, told.Class = "REVERSED", original.Amount, original.Requested, original.Class
		told.Merchant, told.MCC, told.EntryMode = original.Merchant, original.MCC, original.EntryMode
	}
	var inner string
	n.Status, inner, n.Description = told.Axes()
	n.Transaction = NotifiedTransaction{ID: x.ID.String(), Balance: x.Balance.String(), ResourceID: x.Card.String(), Resource: "card",
		Card: strconv.FormatInt(int64(x.CardID), 10), External: external(x), Type: typeOf(told.Class), Category: category(told.Class),
		Amount: told.Amount.Minor, Currency: told.Amount.Currency.String(), OriginalAmount: told.Requested.Minor,
		OriginalCurrency: told.Requested.Currency.String(), Status: inner, Description: told.Merchant, Date: n.Date,
		Data: Data{MCC: told.MCC, Merchant: told.Merchant, CaptureMode: captureMode(told.EntryMode), Last4: x.Last4}}
	if original != nil {
		reference, date := external(original), original.At.Format(time.RFC3339)
		n.Transaction.Reference, n.Transaction.ReferenceDate = &reference, &date
	}
	return n
}

// external is the network's name of the transaction, or ours where it gave none.
func external(x *record.Transaction) string {
	if x.RRN != "" {
		return x.RRN
	}
	return x.ID.String()
}

func typeOf(c authz.Transaction) string {
	if c == authz.Cash {
		return "ATM"
	}
	return "POS"
}

func category(c authz.Transaction) string {
	if c == authz.Refund {
		return "CREDIT"
	}
	return "DEBIT"
}

// captureMode is from the first two digits of DE 22, how the number was read.
func captureMode(entry string) string {
	if len(entry) < 2 {
		return ""
	}
	return captureModes[entry[:2]]
}

var captureModes = map[string]string{"01": "MANUAL", "02": "MAGSTRIPE", "05": "CHIP", "07": "NFC", "10": "ECOM", "80": "MAGSTRIPE",
	"81": "ECOM", "90": "MAGSTRIPE", "91": "NFC"}

// followAtOnce bounds the rows of one transaction.
const followAtOnce = 200

// Follow writes the events of new rows of the journal, and tells how many. late also looks for rows that were committed
// behind others.
func (w *Worker) Follow(ctx context.Context, at time.Time, late bool) (written int, err error) {
	err = w.Store.Update(ctx, func(t mgmt.Tx) error {
		tx := t.(Tx)
		rows, err := tx.FollowNew(ctx, followAtOnce, at)
		if err == nil && late && len(rows) < followAtOnce {
			var more []record.Transaction
			more, err = tx.FollowLate(ctx, followAtOnce, at)
			rows = append(rows, more...)
		}
		written = len(rows)
		for i := range rows {
			if err == nil {
				err = emit(ctx, tx, &rows[i], at)
			}
		}
		return err
	})
	return written, err
}

func emit(ctx context.Context, tx Tx, x *record.Transaction, at time.Time) error {
	var original *record.Transaction
	if x.Kind == authz.Reversal && !x.Original.IsZero() {
		found, err := tx.Transaction(ctx, x.Partner, x.Original)
		switch {
		case err == nil:
			original = &found
		case !errors.Is(err, authz.ErrNotFound):
			return err
		}
	}
	if x.Kind == authz.Reversal && original == nil {
		return nil // it undid nothing that the partner has heard of
	}
	body, err := json.Marshal(notify(x, original))
	if err != nil {
		return err
	}
	return tx.Emit(ctx, &record.Event{Partner: x.Partner, Kind: record.EventTransaction, Subject: "transaction " + x.ID.String(),
		Body: body, CreatedAt: at})
}
