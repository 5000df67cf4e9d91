// Package cards is the room of payment cards: virtual ones at once or later, their list, their number for their holder,
// locks and unlocks, removal, CVC2 and PIN, activation, and limits. What may be done to a card in which state is
// decided by [record.Card]; this room says who may ask for it and shows the outcome.
//
// The number, the CVC2 and the PIN pass only through encrypted calls of the holder and the holder's partner. No operator
// sees them: what operators get of a card is what everybody gets, masked.
package cards

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"holdfast/authz"
	"holdfast/authz/pan"
	"holdfast/authz/record"
	"holdfast/mgmt"
)

// Tx is what the room needs of a transaction. *records.Tx is one.
type Tx interface {
	mgmt.Tx
	User(ctx context.Context, partner authz.PartnerID, id authz.UserID) (record.User, error)
	Balance(ctx context.Context, partner authz.PartnerID, id record.UUID) (record.Balance, error)
	ProgramFor(ctx context.Context, partner authz.PartnerID, b *record.Balance) (record.Program, error)

	NewNumber(ctx context.Context, program authz.ProgramID) (pan.Number, error)
	IssueCard(ctx context.Context, c *record.Card, number pan.Number) error
	Card(ctx context.Context, partner authz.PartnerID, id authz.CardID) (record.Card, error)
	Cards(ctx context.Context, f record.CardFilter, page record.Page) (record.List[record.Card], error)
	FullCard(ctx context.Context, partner authz.PartnerID, id authz.CardID, at time.Time) (record.Card, record.FullCard, error)
	LockCard(ctx context.Context, partner authz.PartnerID, id authz.CardID, reason authz.LockReason, by record.LockSource,
		at time.Time) (record.Card, bool, error)
	UnlockCard(ctx context.Context, partner authz.PartnerID, id authz.CardID, by record.LockSource, at time.Time) (record.Card, error)
	MoveCard(ctx context.Context, partner authz.PartnerID, id authz.CardID, a record.CardAction, at time.Time) (record.Card, error)
	Order(ctx context.Context, partner authz.PartnerID, id record.UUID) (record.Order, error)
	ActivateCard(ctx context.Context, partner authz.PartnerID, id authz.CardID, at time.Time) (record.Card, error)
	ResetCVV(ctx context.Context, partner authz.PartnerID, id authz.CardID, at time.Time) (record.Card, error)
	SetPIN(ctx context.Context, partner authz.PartnerID, id authz.CardID, pin pan.Secret, at time.Time) (record.Card, error)
	SetLimits(ctx context.Context, partner authz.PartnerID, id authz.CardID, limits []record.Limit, at time.Time) (record.Card, error)
	Limits(ctx context.Context, id authz.CardID) ([]record.Limit, error)

	InsertCardRequest(ctx context.Context, c *record.CardRequest) error
	CardRequest(ctx context.Context, partner authz.PartnerID, id record.UUID) (record.CardRequest, error)
	PendingCardRequests(ctx context.Context, n int) ([]record.CardRequest, error)
	EndCardRequest(ctx context.Context, id record.UUID, card authz.CardID, code string) error
	TakeCardNews(ctx context.Context, n int) ([]record.CardNews, error)
	Emit(ctx context.Context, e *record.Event) error
}

// Card is a card as everybody may see it.
type Card struct {
	ID          authz.CardID `json:"cardId"`
	Resource    record.UUID  `json:"resourceId"`
	User        authz.UserID `json:"customerId"`
	Balance     record.UUID  `json:"balanceId"`
	Program     int64        `json:"programId"`
	Kind        string       `json:"kind" rule:"enum=VIRTUAL|PHYSICAL|DIGITAL_FIRST"`
	Status      string       `json:"status" rule:"enum=ORDERED|PERSONALIZED|INACTIVE|ACTIVE|LOCKED|EXPIRED|REMOVED"`
	LockReason  int          `json:"lockReasonCode,omitempty" rule:"min=1 max=8"`
	LockSource  string       `json:"lockSource,omitempty" rule:"enum=USER|PARTNER|OPERATOR|OUTSIDE|PIN"`
	Number      string       `json:"maskedNumber"`
	Last4       string       `json:"lastFourDigits"`
	Expiry      string       `json:"exp" rule:"format=date"`
	Currency    string       `json:"currency" rule:"format=currency"`
	HolderName  string       `json:"holderName,omitempty"`
	Description string       `json:"description,omitempty"`
	Limited     bool         `json:"limited"`
	ReplacedBy  authz.CardID `json:"replacedBy,omitempty"`
	Order       string       `json:"orderId,omitempty" rule:"format=uuid"`
	CreatedAt   time.Time    `json:"createdAt"`
	ActivatedAt *time.Time   `json:"activatedAt,omitempty"`
}

// show makes what everybody may see of a card.
func show(c *record.Card, at time.Time) Card {
	s := Card{ID: c.ID, Resource: c.PublicID, User: c.User, Balance: c.BalanceName, Program: int64(c.Program), Kind: string(c.Kind),
		Status: c.Status(at), LockReason: int(c.Lock), LockSource: string(c.LockSource), Number: c.BIN + "******" + c.Last4,
		Last4: c.Last4, Expiry: record.ExpiryDay(c.Expiry), Currency: c.Currency.String(), HolderName: c.HolderName,
		Description: c.Description, Limited: c.Limited, ReplacedBy: c.ReplacedBy, Order: c.OrderedBy.String(), CreatedAt: c.CreatedAt}
	if !c.ActivatedAt.IsZero() {
		s.ActivatedAt = &c.ActivatedAt
	}
	return s
}

// key names a card for someone: a user only its own, a partner only its users', an operator any.
type key struct {
	partner authz.PartnerID
	user    authz.UserID // 0: any user's
	card    authz.CardID
}

// ref is the card of a request: of the cardholder who calls, of the user that the path names, or for operators any.
type ref struct {
	mgmt.Owner
	Card authz.CardID `path:"cardId" rule:"min=1"`
}

func (in *ref) key(c *mgmt.Call) key { return key{c.Partner, in.User(c), in.Card} }

// find reads the card of a key, and names it for the audit. A card of somebody else is as absent as one that is not there.
func find(ctx context.Context, c *mgmt.Call, k key) (Tx, record.Card, error) {
	tx := mgmt.In[Tx](c)
	c.Object("card " + number(k.card))
	card, err := tx.Card(ctx, k.partner, k.card)
	if err == nil && k.user != 0 && card.User != k.user {
		err = authz.ErrNotFound
	}
	return tx, card, err
}

func number[N ~int64](n N) string { return strconv.FormatInt(int64(n), 10) }

// source is who locks, by the channel that the call came through.
func source(c *mgmt.Call) record.LockSource {
	switch {
	case c.Roles != 0:
		return record.LockByOperator
	case c.User != 0:
		return record.LockByUser
	}
	return record.LockByPartner
}

// told is the body of the events about a card.
type told struct {
	Card       authz.CardID `json:"cardId"`
	Resource   record.UUID  `json:"resourceId"`
	User       authz.UserID `json:"customerId"`
	Status     string       `json:"status"`
	LockReason int          `json:"lockReasonCode,omitempty"`
	LockSource string       `json:"lockSource,omitempty"`
	At         time.Time    `json:"timestamp"`
}

// tell writes the event that a card was locked or unlocked.
func tell(ctx context.Context, tx Tx, c *record.Card, happened, now time.Time) error {
	kind := record.EventCardLocked
	if c.Lock == authz.LockNone {
		kind = record.EventCardFree
	}
	body, err := json.Marshal(told{c.ID, c.PublicID, c.User, c.Status(happened), int(c.Lock), string(c.LockSource), happened})
	if err != nil {
		return err
	}
	return tx.Emit(ctx, &record.Event{Partner: c.Partner, Kind: kind, Subject: "card " + number(c.ID), Body: body, CreatedAt: now})
}

// tellAtOnce bounds the events of one transaction.
const tellAtOnce = 100

// Tell writes the events of the locks that the switch set for wrong PINs and that networks set or lifted, each once
// however many nodes do so, and says how many. Those that the API changes are told of where it does so.
func Tell(ctx context.Context, store mgmt.Store, at time.Time) (written int, err error) {
	err = store.Update(ctx, func(t mgmt.Tx) error {
		tx := t.(Tx)
		news, err := tx.TakeCardNews(ctx, tellAtOnce)
		written = len(news)
		for i := range news {
			if err == nil {
				err = tell(ctx, tx, &news[i].Card, news[i].At, at)
			}
		}
		return err
	})
	return written, err
}
