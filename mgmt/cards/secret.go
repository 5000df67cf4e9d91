package cards

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"holdfast/authz"
	"holdfast/authz/pan"
	"holdfast/authz/record"
	"holdfast/mgmt"
	"holdfast/mgmt/problem"
)

// guarded is a text of a card that goes into or comes out of an encrypted body, and prints as a mask anywhere else.
type guarded string

// Format writes the mask whatever the verb.
func (guarded) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "****") }

// LogValue is the mask for log/slog.
func (guarded) LogValue() slog.Value { return slog.StringValue("****") }

// FullCard is a card for its holder, with the names that the seed's sample has.
type FullCard struct {
	ID       authz.CardID `json:"cardId"`
	Resource record.UUID  `json:"resourceId"`
	Balance  record.UUID  `json:"balanceId"`
	Number   guarded      `json:"cardNo" rule:"min=12 max=19"`
	Expiry   string       `json:"exp" rule:"format=date"`
	CVC2     guarded      `json:"cvv" rule:"min=3 max=4"`
	Status   string       `json:"status"`
}

// reveal opens a card for its holder.
func reveal(ctx context.Context, tx Tx, partner authz.PartnerID, id authz.CardID, at time.Time) (FullCard, error) {
	c, full, err := tx.FullCard(ctx, partner, id, at)
	if err != nil {
		return FullCard{}, err
	}
	return FullCard{ID: c.ID, Resource: c.PublicID, Balance: c.BalanceName, Number: guarded(full.Number.Reveal()),
		Expiry: record.ExpiryDay(full.Expiry), CVC2: guarded(full.CVV2.Reveal()), Status: c.Status(at)}, nil
}

func readFull(ctx context.Context, c *mgmt.Call, in *ref) (FullCard, error) {
	tx, card, err := find(ctx, c, in.key(c))
	if err != nil {
		return FullCard{}, err
	}
	return reveal(ctx, tx, card.Partner, card.ID, c.At)
}

// resetCVV gives the card another CVC2 and leaves it unseen.
func resetCVV(ctx context.Context, c *mgmt.Call, k key) (Tx, record.Card, error) {
	tx, _, err := find(ctx, c, k)
	if err != nil {
		return tx, record.Card{}, err
	}
	card, err := tx.ResetCVV(ctx, k.partner, k.card, c.At)
	return tx, card, err
}

func resetOwnCVV(ctx context.Context, c *mgmt.Call, in *ref) (FullCard, error) {
	tx, card, err := resetCVV(ctx, c, in.key(c))
	if err != nil {
		return FullCard{}, err
	}
	return reveal(ctx, tx, card.Partner, card.ID, c.At)
}

func resetAnyCVV(ctx context.Context, c *mgmt.Call, in *ref) (Card, error) {
	_, card, err := resetCVV(ctx, c, in.key(c))
	return show(&card, c.At), err
}

// NewPIN is the PIN that a holder chose.
type NewPIN struct {
	PIN guarded `json:"pin" rule:"format=digits min=4 max=12"`
}

type pinIn struct {
	ref
	Body NewPIN
}

// Check refuses the PINs that are tried first: one digit all over, and digits in a row.
func (in *pinIn) Check() []problem.Field {
	same, up, down := true, true, true
	p := in.Body.PIN
	for i := 1; i < len(p); i++ {
		same, up, down = same && p[i] == p[0], up && p[i] == p[i-1]+1, down && p[i] == p[i-1]-1
	}
	if same || up || down {
		return []problem.Field{{In: "body", Pointer: "/pin", Rule: "must not be one digit all over or digits in a row"}}
	}
	return nil
}

func setPIN(ctx context.Context, c *mgmt.Call, in *pinIn) (mgmt.None, error) {
	tx, card, err := find(ctx, c, in.key(c))
	if err == nil {
		_, err = tx.SetPIN(ctx, card.Partner, card.ID, pan.NewSecret(string(in.Body.PIN)), c.At)
	}
	return mgmt.None{}, err
}
