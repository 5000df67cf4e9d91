package webhooks

import (
	"cmp"
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
	Country     string `json:"acquirerCountry"`
}

// notify makes the body for a row of the journal. A reversal and the end of a hold's time tell of their original, with
// what they gave back of it. What follows another row refers to it.
func notify(x, original *record.Transaction) Notification {
	n := Notification{Date: x.At.Format(time.RFC3339)}
	told := *x
	if original != nil && x.Undoes() {
		told = undone(x, original)
	}
	var inner string
	n.Status, inner, n.Description = told.Axes()
	n.Transaction = NotifiedTransaction{ID: x.ID.String(), Balance: x.Balance.String(), ResourceID: x.Card.String(), Resource: "card",
		Card: strconv.FormatInt(int64(x.CardID), 10), External: external(x), Type: typeOf(told.Class), Category: category(told.Class),
		Amount: told.Amount.Minor, Currency: told.Amount.Currency.String(), OriginalAmount: told.Requested.Minor,
		OriginalCurrency: told.Requested.Currency.String(), Status: inner, Description: merchant(&told, original), Date: n.Date,
		Data: Data{MCC: told.MCC, Merchant: told.Merchant, CaptureMode: captureMode(told.EntryMode), Last4: told.Last4,
			Country: record.CountryAlpha3(told.Country)}}
	if original != nil {
		reference, date := external(original), original.At.Format(time.RFC3339)
		n.Transaction.Reference, n.Transaction.ReferenceDate = &reference, &date
	}
	return n
}

// merchant is the name, city and country of a row's merchant, or those of its original, or else the identifier.
func merchant(x, original *record.Transaction) string {
	first := ""
	if original != nil {
		first = original.Acceptor
	}
	return cmp.Or(x.Acceptor, first, x.Merchant)
}

// undone is the original as what undid it, or a part of it, leaves it to be told. A promise held nothing that could be
// given back, and ends as a whole.
func undone(x, original *record.Transaction) record.Transaction {
	told := *original
	told.State = "REVERSED"
	if x.Kind == authz.HoldExpiry {
		told.State = "EXPIRED"
	}
	if x.Given != 0 && x.Given != original.Amount.Minor {
		told.Amount.Minor, told.Requested.Minor = x.Given, authz.Scale(x.Given, original.Amount.Minor, original.Requested.Minor)
	}
	return told
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
	if c.Credit() {
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
	if !x.Original.IsZero() {
		found, err := tx.Transaction(ctx, x.Partner, x.Original)
		switch {
		case err == nil:
			original = &found
		case !errors.Is(err, authz.ErrNotFound):
			return err
		}
	}
	if x.Undoes() && (original == nil || x.Given == 0 && !original.Class.Credit()) {
		return nil // it undid nothing that the partner has heard of
	}
	body, err := json.Marshal(notify(x, original))
	if err != nil {
		return err
	}
	return tx.Emit(ctx, &record.Event{Partner: x.Partner, Kind: record.EventTransaction, Subject: "transaction " + x.ID.String(),
		Body: body, CreatedAt: at})
}
