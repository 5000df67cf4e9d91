package authz_test

import (
	"path/filepath"
	"testing"
	"time"
	"unsafe"

	"holdfast/authz"
	"holdfast/authz/keystore"
)

// setBack is the time by a wall clock that was set back; what is monotonic in it goes on, as on a machine whose clock is
// set. Its first word has 33 bits of seconds above 30 of nanoseconds, which the library has no means to change alone.
func setBack(t time.Time, by time.Duration) time.Time {
	*(*uint64)(unsafe.Pointer(&t)) -= uint64(by/time.Second) << 30
	return t
}

// What is overdue is answered although the wall clock was set back by an hour after it came. A bubble's time has nothing
// that is monotonic, so this takes a moment of ours.
func TestOverdueWhenTheClockWasSetBack(t *testing.T) {
	t.Parallel()
	keys, err := keystore.Create(filepath.Join(t.TempDir(), "keys.json"), nil)
	if err != nil {
		t.Fatal(err)
	}
	p := newPlant(t, keys)
	p.slows.Store(int64(plantBatch * 2 * time.Second)) // for one, on a machine that may be slow itself
	p.submit("stuck", authz.Authorization, 0, 1, 10*time.Millisecond)
	<-time.After(20 * time.Millisecond)
	now := setBack(time.Now(), time.Hour)
	if time.Since(now).Abs() > time.Minute || time.Now().Unix()-now.Unix() < 3000 {
		t.Fatal("this is no clock that was set back")
	}
	p.Expire(now)
	if stuck := p.answers("stuck"); count(stuck, authz.DecisionLate) != 1 {
		t.Errorf("it was answered %v", stuck)
	}
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
