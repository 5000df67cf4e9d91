package cards

import (
	"context"
	"time"

	"holdfast/authz"
	"holdfast/authz/record"
	"holdfast/mgmt"
	"holdfast/mgmt/problem"
)

// wanted is a virtual card that is asked for. Without a program it is the partner's oldest in the balance's currency.
type wanted struct {
	Balance      record.UUID `json:"balanceId"`
	Program      int64       `json:"programId,omitempty" rule:"min=1"`
	DigitalFirst bool        `json:"digitalFirst,omitempty"`
	Description  string      `json:"description,omitempty" rule:"max=100"`
}

type wantedIn struct {
	mgmt.Owner
	Body wanted
}

// base finds what a new card stands on: the user's balance, and the program.
func base(ctx context.Context, c *mgmt.Call, in *wantedIn) (Tx, record.Card, error) {
	tx, user, w := mgmt.In[Tx](c), in.User(c), &in.Body
	c.Object("user " + number(user))
	u, err := tx.User(ctx, c.Partner, user)
	if err != nil {
		return tx, record.Card{}, err
	}
	b, err := tx.Balance(ctx, u.Partner, w.Balance)
	if err != nil || b.User != user {
		return tx, record.Card{}, problem.Body("/balanceId", "must be a balance of the user")
	}
	card := record.Card{Program: authz.ProgramID(w.Program), Balance: b.ID, Kind: record.CardVirtual, HolderName: u.Name(),
		Description: w.Description, CreatedAt: c.At}
	if w.DigitalFirst {
		card.Kind = record.CardDigitalFirst
	}
	if card.Program == 0 {
		p, err := tx.ProgramFor(ctx, u.Partner, &b)
		if err != nil {
			return tx, card, err
		}
		card.Program = p.ID
	}
	return tx, card, nil
}

// issue makes a card and names it for the audit.
func issue(ctx context.Context, c *mgmt.Call, in *wantedIn) (Tx, record.Card, error) {
	tx, card, err := base(ctx, c, in)
	if err != nil {
		return tx, card, err
	}
	if err := issueNumbered(ctx, tx, &card); err != nil {
		return tx, card, err
	}
	c.Object("card " + number(card.ID))
	return tx, card, nil
}

// issueNumbered issues a card under a number that it picks.
func issueNumbered(ctx context.Context, tx Tx, card *record.Card) error {
	n, err := tx.NewNumber(ctx, card.Program)
	if err != nil {
		return err
	}
	return tx.IssueCard(ctx, card, n)
}

// issueFull is for those who may see the number.
func issueFull(ctx context.Context, c *mgmt.Call, in *wantedIn) (FullCard, error) {
	tx, card, err := issue(ctx, c, in)
	if err != nil {
		return FullCard{}, err
	}
	return reveal(ctx, tx, card.Partner, card.ID, c.At)
}

// issueMasked is for operators.
func issueMasked(ctx context.Context, c *mgmt.Call, in *wantedIn) (Card, error) {
	_, card, err := issue(ctx, c, in)
	return show(&card, c.At), err
}

// Accepted names a request whose outcome is read later.
type Accepted struct {
	ID record.UUID `json:"requestId"`
}

func issueLater(ctx context.Context, c *mgmt.Call, in *wantedIn) (Accepted, error) {
	tx, card, err := base(ctx, c, in)
	if err != nil {
		return Accepted{}, err
	}
	r := record.CardRequest{Partner: c.Partner, User: in.User(c), Balance: card.Balance, Program: card.Program, Kind: card.Kind,
		Description: card.Description, CreatedAt: c.At}
	err = tx.InsertCardRequest(ctx, &r)
	return Accepted{r.ID}, err
}

// Request is what became of a card that was asked for. A code says why there is none.
type Request struct {
	ID        record.UUID  `json:"requestId"`
	Status    string       `json:"status" rule:"enum=PENDING|DONE|FAILED"`
	Card      authz.CardID `json:"cardId,omitempty"`
	Code      string       `json:"code,omitempty"`
	CreatedAt time.Time    `json:"createdAt"`
}

type requestIn struct {
	ID record.UUID `path:"id"`
}

func readRequest(ctx context.Context, c *mgmt.Call, in *requestIn) (Request, error) {
	r, err := mgmt.In[Tx](c).CardRequest(ctx, c.Partner, in.ID)
	if err == nil && c.User != 0 && r.User != c.User {
		err = authz.ErrNotFound
	}
	return Request{r.ID, r.State, r.Card, r.Code, r.CreatedAt}, err
}

// makeAtOnce bounds the cards of one transaction.
const makeAtOnce = 20

// Make issues cards that were asked for to be made later, and tells how many requests it ended. Several nodes may
// do so at once. A request that breaks a rule by now ends with the rule's code.
func Make(ctx context.Context, store mgmt.Store, at time.Time) (ended int, err error) {
	err = store.Update(ctx, func(t mgmt.Tx) error {
		tx := t.(Tx)
		pending, err := tx.PendingCardRequests(ctx, makeAtOnce)
		ended = len(pending)
		for _, r := range pending {
			if err != nil {
				return err
			}
			card := record.Card{Program: r.Program, Balance: r.Balance, Kind: r.Kind, Description: r.Description, CreatedAt: at}
			u, e := tx.User(ctx, r.Partner, r.User)
			if e == nil {
				card.HolderName = u.Name()
				e = issueNumbered(ctx, tx, &card)
			}
			code := record.Code(e)
			if e != nil && code == "" {
				return e
			}
			err = tx.EndCardRequest(ctx, r.ID, card.ID, code)
		}
		return err
	})
	return ended, err
}
