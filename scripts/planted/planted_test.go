package planted_test

import (
	"testing"

	"holdfast/scripts/planted"
)

const root = "../.."

// A change of the code that moves the place of a bug has to move the bug, too.
func TestEachBugHasItsPlace(t *testing.T) {
	t.Parallel()
	if len(planted.Bugs) < 12 {
		t.Errorf("%d bugs", len(planted.Bugs))
	}
	for i := range planted.Bugs {
		if _, err := planted.Bugs[i].Plant(root); err != nil {
			t.Error(err)
		}
	}
}
