package authz_test

import (
	"testing"

	"holdfast/authz"
)

// From outside, every present lock against every wanted one: what is irreversible stays irreversible, whatever is asked.
func TestRelockNeverSoftensALock(t *testing.T) {
	t.Parallel()
	gravest := []authz.LockReason{authz.LockStolen, authz.LockLost, authz.LockReplaced, authz.LockInactive, authz.LockFraud,
		authz.LockPINTries, authz.LockConsolidation, authz.LockQuery}
	rank := map[authz.LockReason]int{}
	for i, l := range gravest {
		rank[l] = i
	}
	for present := authz.LockNone; present <= authz.LockReplaced; present++ {
		for wanted := authz.LockNone; wanted <= authz.LockReplaced; wanted++ {
			want := authz.LockStrengthened
			switch {
			case present == wanted:
				want = authz.LockAlready
			case present == authz.LockNone:
				want = authz.LockChanged
			case wanted == authz.LockNone && present.Irreversible():
				want = authz.LockRefused
			case wanted == authz.LockNone:
				want = authz.LockChanged
			case rank[wanted] > rank[present]:
				want = authz.LockRefused
			}
			got := authz.Relock(present, authz.LockByOutside, wanted, authz.LockByOutside)
			if got != want {
				t.Errorf("from %d to %d: %s, want %s", present, wanted, got, want)
			}
			if got.Changes() && present.Irreversible() && !wanted.Irreversible() {
				t.Errorf("from %d to %d: what may not be lifted became what may", present, wanted)
			}
		}
	}
	if got := authz.Relock(authz.LockNone, "", 9, authz.LockByOutside); got != authz.LockRefused {
		t.Errorf("an unknown reason is %s", got)
	}
}

// Within the house nobody makes a lock that stays into another, and nobody weak changes what the strong have locked.
func TestRelockWithinTheHouse(t *testing.T) {
	t.Parallel()
	strong := map[authz.LockSource]bool{authz.LockByUser: false, authz.LockByPartner: false, authz.LockByOperator: true, authz.LockByPIN: true}
	for of, kept := range strong {
		for by, may := range strong {
			for present := authz.LockLost; present <= authz.LockReplaced; present++ {
				for wanted := authz.LockNone; wanted <= authz.LockReplaced; wanted++ {
					refused := present.Irreversible() || wanted != authz.LockNone && !wanted.Irreversible() && kept && !may
					got := authz.Relock(present, of, wanted, by)
					if present == wanted && got != authz.LockAlready || present != wanted && (got == authz.LockRefused) != refused {
						t.Errorf("from %d of %s to %d by %s: %s", present, of, wanted, by, got)
					}
				}
			}
		}
	}
}
