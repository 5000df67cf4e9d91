package partners

import (
	"context"
	"encoding/csv"
	"encoding/hex"
	"net/http"
	"strconv"
	"time"

	"holdfast/authz"
	"holdfast/authz/record"
	"holdfast/mgmt"
)

// Audit is a record of the trail. Each holds the hash of the one before it.
type Audit struct {
	Sequence int64     `json:"sequence"`
	At       time.Time `json:"at"`
	Actor    string    `json:"actor"`
	Channel  string    `json:"channel"`
	Action   string    `json:"action"`
	Object   string    `json:"object"`
	Outcome  string    `json:"outcome"`
	Detail   string    `json:"detail" rule:"max=500"`
	Request  string    `json:"requestId"`
	Previous string    `json:"previous"`
	Hash     string    `json:"hash"`
}

// Trail is a page of a chain of the trail, newest first.
type Trail struct{ mgmt.List[Audit] }

func shownAudit(a *record.Audit) Audit {
	return Audit{a.Sequence, a.At, a.Actor, a.Channel, a.Action, a.Object, a.Outcome, a.Detail, a.Request,
		hex.EncodeToString(a.Previous), hex.EncodeToString(a.Hash)}
}

// WriteCSV implements [mgmt.Sheet].
func (t Trail) WriteCSV(w *csv.Writer) error {
	if err := w.Write([]string{"sequence", "at", "actor", "channel", "action", "object", "outcome", "detail", "requestId", "previous",
		"hash"}); err != nil {
		return err
	}
	for _, a := range t.Items {
		if err := w.Write([]string{strconv.FormatInt(a.Sequence, 10), a.At.Format(time.RFC3339Nano), a.Actor, a.Channel, a.Action, a.Object,
			a.Outcome, a.Detail, a.Request, a.Previous, a.Hash}); err != nil {
			return err
		}
	}
	return nil
}

// NextPage implements [mgmt.Sheet].
func (t Trail) NextPage() string { return t.Next }

type auditRequest struct {
	mgmt.Page
	Chain  authz.PartnerID `query:"partnerId" rule:"min=1"` // a partner's chain; ours when left out
	Actor  string          `query:"actor" rule:"max=100"`
	Action string          `query:"action" rule:"max=60"`
	Object string          `query:"object" rule:"max=100"`
	Since  time.Time       `query:"since"`
	Until  time.Time       `query:"until"`
}

func auditRoute() mgmt.Bound {
	return mgmt.Handle(row(http.MethodGet, "/admin/audit", mgmt.RolesAM, "", "Who did what; CSV by Accept"),
		func(ctx context.Context, c *mgmt.Call, in *auditRequest) (Trail, error) {
			l, err := mgmt.In[Tx](c).Audits(ctx, record.AuditFilter{Chain: in.Chain, Actor: in.Actor, Action: in.Action, Object: in.Object,
				Since: in.Since, Until: in.Until}, in.Ask())
			return Trail{mgmt.Show(l, shownAudit)}, err
		})
}
