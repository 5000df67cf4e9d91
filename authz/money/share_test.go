package money_test

import (
	"math/big"
	"math/rand/v2"
	"testing"

	"holdfast/authz/money"
)

// Against the same in numbers without a limit, of all sizes.
func TestShareIsExactAndHalfUp(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	any := func() int64 { return random.Int64N(money.MinorMax) >> random.IntN(53) }
	for range 20_000 {
		amount, part, whole := any(), any()-1, any()+1
		want := int64(0)
		switch {
		case part >= whole:
			want = amount
		case part > 0:
			n := new(big.Int).Mul(big.NewInt(amount), big.NewInt(2*part))
			n.Add(n, big.NewInt(whole))
			want = n.Div(n, big.NewInt(2*whole)).Int64()
		}
		if got := money.Share(amount, part, whole); got != want {
			t.Fatalf("Share(%d, %d, %d) is %d, want %d", amount, part, whole, got, want)
		}
	}
}
