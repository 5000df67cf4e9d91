package storetest

import (
	"context"
	"sync"

	"holdfast/authz"
)

// Faulty stands before a journal and lets it fail in the ways that a remote one does.
type Faulty struct {
	authz.Journal

	mu   sync.Mutex
	next []Fault
}

// Fault is what happens to one commit.
type Fault func(ctx context.Context, j authz.Journal, batch []*authz.Entry) (authz.Truth, error)

// Inject has the next commits meet these faults, one each.
func (f *Faulty) Inject(faults ...Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next = append(f.next, faults...)
}

// Commit meets the next fault, or goes through.
func (f *Faulty) Commit(ctx context.Context, batch []*authz.Entry) (authz.Truth, error) {
	f.mu.Lock()
	var fault Fault
	if len(f.next) > 0 {
		fault, f.next = f.next[0], f.next[1:]
	}
	f.mu.Unlock()
	if fault == nil {
		return f.Journal.Commit(ctx, batch)
	}
	return fault(ctx, f.Journal, batch)
}

// Refused fails before anything is written.
func Refused(context.Context, authz.Journal, []*authz.Entry) (authz.Truth, error) {
	return authz.Truth{}, authz.ErrUnavailable
}

// LostReply writes everything and then says that it does not know.
func LostReply(ctx context.Context, j authz.Journal, batch []*authz.Entry) (authz.Truth, error) {
	if _, err := j.Commit(ctx, copies(batch)); err != nil {
		return authz.Truth{}, err
	}
	return authz.Truth{}, authz.ErrUnknown
}

// LostRequest writes nothing and says that it does not know.
func LostRequest(context.Context, authz.Journal, []*authz.Entry) (authz.Truth, error) {
	return authz.Truth{}, authz.ErrUnknown
}

// Panics fails in the worst way.
func Panics(context.Context, authz.Journal, []*authz.Entry) (authz.Truth, error) {
	panic("planted")
}

// Waits goes through once release is closed, having closed reached before.
func Waits(reached chan<- struct{}, release <-chan struct{}) Fault {
	return func(ctx context.Context, j authz.Journal, batch []*authz.Entry) (authz.Truth, error) {
		close(reached)
		<-release
		return j.Commit(ctx, batch)
	}
}

// copies keeps a commit whose reply is lost from telling its outcome through the entries.
func copies(batch []*authz.Entry) []*authz.Entry {
	out := make([]*authz.Entry, len(batch))
	for i, e := range batch {
		c := *e
		out[i] = &c
	}
	return out
}
