package records

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"holdfast/authz"
	"holdfast/authz/record"
)

var audits = table[record.Audit]{
	name:    "audit",
	columns: "chain, sequence, at, actor, channel, action, object, outcome, detail, request, previous, hash",
	scan: func(r Row) record.Audit {
		return record.Audit{Chain: authz.PartnerID(r.Int(0)), Sequence: r.Int(1), At: moment(r, 2), Actor: r.Text(3), Channel: r.Text(4),
			Action: r.Text(5), Object: r.Text(6), Outcome: r.Text(7), Detail: r.Text(8), Request: r.Text(9), Previous: r.Bytes(10),
			Hash: r.Bytes(11)}
	},
	args: func(a *record.Audit) []any {
		return []any{int64(a.Chain), a.Sequence, micros(a.At), a.Actor, a.Channel, a.Action, a.Object, a.Outcome, a.Detail, a.Request,
			a.Previous, a.Hash}
	},
}

// Audit appends a record to its chain and sets its sequence and hashes. Transactions that append to one chain wait
// for each other, so it should be a transaction's last call.
func (t *Tx) Audit(ctx context.Context, a *record.Audit) error {
	a.At = a.At.Truncate(time.Microsecond) // as it is kept, or the hash would not be found again
	if err := a.Check(); err != nil {
		return err
	}
	if _, err := t.q.Exec(ctx, "INSERT INTO audit_heads (chain, sequence, hash) VALUES ($1, 0, $2) ON CONFLICT (chain) DO NOTHING",
		int64(a.Chain), make([]byte, 32)); err != nil {
		return wrap("begin audit chain", err)
	}
	if err := t.q.Query(ctx, func(r Row) error { a.Sequence, a.Previous = r.Int(0)+1, r.Bytes(1); return nil },
		"SELECT sequence, hash FROM audit_heads WHERE chain = $1"+ForUpdate, int64(a.Chain)); err != nil {
		return wrap("read audit head", err)
	}
	a.Hash = a.Digest()
	if err := audits.insert(ctx, t.q, a); err != nil {
		return err
	}
	_, err := t.q.Exec(ctx, "UPDATE audit_heads SET sequence = $1, hash = $2 WHERE chain = $3", a.Sequence, a.Hash, int64(a.Chain))
	return wrap("move audit head", err)
}

// Audits lists those of a chain that the filter chooses, newest first.
func (t *Tx) Audits(ctx context.Context, f record.AuditFilter, page record.Page) (record.List[record.Audit], error) {
	w := by("chain = ?", int64(f.Chain)).text("actor", f.Actor).text("action", f.Action).text("object", f.Object).
		between("at", f.Since, f.Until)
	cursor, err := page.NumberCursor()
	if err != nil {
		return record.List[record.Audit]{}, err
	}
	if cursor != 0 {
		w.and("sequence < ?", cursor)
	}
	all, err := audits.all(ctx, t.q, w, fmt.Sprintf(" ORDER BY sequence DESC LIMIT %d", page.Size()+1))
	return paged(all, page, func(a *record.Audit) string { return fmt.Sprint(a.Sequence) }), err
}

// AuditHead is where a chain ends. Whoever writes it down elsewhere can tell later that nothing before it was changed.
type AuditHead struct {
	Chain    authz.PartnerID
	Sequence int64
	Hash     []byte
}

const auditWhole = "no audit record was changed, moved or taken out"

// VerifyAudit reads all chains and checks every hash, every link and every head. It returns the heads, and the first
// break of each chain that has one.
func VerifyAudit(ctx context.Context, q Querier) (heads []AuditHead, broken []Violation, err error) {
	if err := q.Query(ctx, func(r Row) error {
		heads = append(heads, AuditHead{authz.PartnerID(r.Int(0)), r.Int(1), r.Bytes(2)})
		return nil
	}, "SELECT chain, sequence, hash FROM audit_heads ORDER BY chain"); err != nil {
		return nil, nil, wrap("read audit heads", err)
	}
	known := map[authz.PartnerID]*AuditHead{}
	for i := range heads {
		known[heads[i].Chain] = &AuditHead{Chain: heads[i].Chain, Hash: make([]byte, 32)}
	}
	bad := map[authz.PartnerID]bool{}
	found := func(chain authz.PartnerID, sequence int64, what string) {
		if !bad[chain] {
			bad[chain] = true
			broken = append(broken, Violation{auditWhole, fmt.Sprintf("chain %d at record %d: %s", chain, sequence, what)})
		}
	}
	err = q.Query(ctx, func(r Row) error {
		a := audits.scan(r)
		at, ok := known[a.Chain]
		switch {
		case !ok:
			found(a.Chain, a.Sequence, "the chain has no head")
		case a.Sequence != at.Sequence+1:
			found(a.Chain, at.Sequence+1, "it is missing")
		case !bytes.Equal(a.Previous, at.Hash):
			found(a.Chain, a.Sequence, "it does not follow the one before")
		case !bytes.Equal(a.Hash, a.Digest()):
			found(a.Chain, a.Sequence, "it was changed")
		default:
			at.Sequence, at.Hash = a.Sequence, a.Hash
		}
		return nil
	}, "SELECT "+audits.columns+" FROM audit ORDER BY chain, sequence")
	for _, h := range heads {
		if at := known[h.Chain]; at.Sequence != h.Sequence || !bytes.Equal(at.Hash, h.Hash) {
			found(h.Chain, at.Sequence+1, "the chain does not end where its head says")
		}
	}
	return heads, broken, wrap("read the audit trail", err)
}
