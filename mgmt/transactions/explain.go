package transactions

import (
	"context"

	"holdfast/authz"
	"holdfast/mgmt"
)

// Check is one check of a decision, in the order in which they are made. What is only told, as an advice, is not checked.
type Check struct {
	Name    string  `json:"name"`
	Outcome string  `json:"outcome" rule:"enum=PASSED|FAILED|NOT_REACHED"`
	Inputs  []Input `json:"inputs" note:"What it looked at, as far as the journal keeps it; nothing of what was not reached."`
}

// Input is one thing that a check looked at.
type Input struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Funds are what was available of a balance before and after.
type Funds struct {
	Before int64 `json:"before"`
	After  int64 `json:"after"`
}

// Explanation says why an authorization ended as it did: what came, each check with its inputs and outcome, the money, and the time.
type Explanation struct {
	Transaction
	Peer        string  `json:"peer"`
	CardVersion int64   `json:"cardVersion"`
	STAN        string  `json:"stan"`
	Processing  string  `json:"processingCode"`
	Answered    string  `json:"answered"`
	Checks      []Check `json:"checks"`
	UserFunds   *Funds  `json:"balance,omitempty"`
	DepoFunds   *Funds  `json:"deposit,omitempty"`
	Placed      int64   `json:"placedAmount"`
	Stages      *Stages `json:"stages,omitempty"`
}

// Stages say how long the message spent in each stage, from when it was received until the commit began that has its row;
// what follows, the commit and the answer, is not in the row. None are of a row that an earlier version wrote, or that
// no message made.
type Stages struct {
	Waited  int64 `json:"waitedMicroseconds" note:"In its queue."`
	Checked int64 `json:"checkedMicroseconds" note:"Its card was looked up, its evidence verified, its checks were made."`
	Held    int64 `json:"heldMicroseconds" note:"The cache of balances placed or refused the holds of its batch."`
	Handed  int64 `json:"handedOverMicroseconds" note:"It waited for its turn at the journal, and for commits that refused it as stale."`
	Total   int64 `json:"totalMicroseconds" note:"Until the commit of its row began: that and the answer are not in it."`
	Rounds  int   `json:"rounds" rule:"min=1 max=3" note:"How often it was decided: again where the journal knew better."`
}

func stages(s authz.Stages) *Stages {
	if !s.Known() {
		return nil
	}
	of := func(stage authz.Stage) int64 { return s.Of(stage).Microseconds() }
	return &Stages{of(authz.StageWaited), of(authz.StageChecked), of(authz.StageHeld), of(authz.StageHanded),
		s.Total().Microseconds(), s.Rounds()}
}

func explain(ctx context.Context, c *mgmt.Call, in *readIn) (Explanation, error) {
	tx := mgmt.In[Tx](c)
	x, err := tx.Explain(ctx, in.ID)
	if err != nil {
		return Explanation{}, err
	}
	e := Explanation{Transaction: show(&x.Transaction), Peer: x.Peer, CardVersion: x.CardVersion, STAN: x.STAN, Processing: x.Processing,
		Answered: x.Transaction.Reason.String(), Placed: x.Placed, Checks: []Check{}, Stages: stages(x.Stages)}
	e.Description = x.Decided.String()
	for _, s := range x.Steps {
		check := Check{Name: s.Check, Outcome: outcome(s), Inputs: []Input{}}
		for _, in := range s.Inputs {
			check.Inputs = append(check.Inputs, Input{in.Name, in.Value})
		}
		e.Checks = append(e.Checks, check)
	}
	if x.UserKnown {
		e.UserFunds = &Funds{x.UserBefore, x.UserBefore - x.Placed}
	}
	if x.DepositKnown {
		e.DepoFunds = &Funds{x.DepositBefore, x.DepositBefore - x.Placed}
	}
	return e, nil
}

func outcome(s authz.Step) string {
	switch {
	case s.Skipped:
		return "NOT_REACHED"
	case s.Passed:
		return "PASSED"
	}
	return "FAILED"
}
