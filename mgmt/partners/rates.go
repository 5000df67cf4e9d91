package partners

import (
	"context"
	"net/http"

	"holdfast/authz"
	"holdfast/authz/money"
	"holdfast/mgmt"
	"holdfast/mgmt/problem"
)

// Rate is one of our own rates of exchange, which counts for programs with own rates where the network converted nothing.
// It is written as in DE 9 of ISO 8583: the first digit says how many of the other seven are decimals, 70920000 is 0.092.
type Rate struct {
	From string `json:"from" rule:"format=currency"`
	To   string `json:"to" rule:"format=currency"`
	Rate string `json:"rate" rule:"min=8 max=8 format=digits"`
}

type rateRequest struct{ Body Rate }

// Check implements the door's second look at a request.
func (in *rateRequest) Check() []problem.Field {
	var wrong []problem.Field
	for _, f := range []struct{ pointer, alpha string }{{"/from", in.Body.From}, {"/to", in.Body.To}} {
		if _, err := money.ByAlpha(f.alpha); err != nil {
			wrong = append(wrong, problem.Field{In: "body", Pointer: f.pointer, Rule: "must be a currency of ISO 4217"})
		}
	}
	if in.Body.From == in.Body.To {
		wrong = append(wrong, problem.Field{In: "body", Pointer: "/to", Rule: "must be another currency"})
	}
	if n, err := money.Convert(1_000_000_000, in.Body.Rate, 0, 0); err != nil || n == 0 {
		wrong = append(wrong, problem.Field{In: "body", Pointer: "/rate", Rule: "must be a rate above zero"})
	}
	return wrong
}

func rateRoutes() []mgmt.Bound {
	const all = "/admin/fx-rates"
	set := row(http.MethodPost, all, mgmt.RolesAM, "rate.set", "Set our own rate of a pair of currencies, from now on")
	set.Status = http.StatusCreated
	return []mgmt.Bound{
		mgmt.Handle(set, func(ctx context.Context, c *mgmt.Call, in *rateRequest) (Rate, error) {
			from, _ := money.ByAlpha(in.Body.From) // Check has seen both
			to, _ := money.ByAlpha(in.Body.To)
			c.Object("rate " + from.Alpha() + " to " + to.Alpha())
			return in.Body, mgmt.In[Tx](c).SetRate(ctx, authz.Rate{From: from, To: to, Rate: in.Body.Rate}, c.At)
		}),
		mgmt.Handle(row(http.MethodGet, all, mgmt.RolesAll, "", "Our own rates of exchange that count now"),
			func(ctx context.Context, c *mgmt.Call, in *listRequest) (mgmt.List[Rate], error) {
				l, err := mgmt.In[Tx](c).RatesPage(ctx, c.At, in.Ask())
				return mgmt.Show(l, func(r *authz.Rate) Rate { return Rate{From: r.From.Alpha(), To: r.To.Alpha(), Rate: r.Rate} }), err
			}),
	}
}
