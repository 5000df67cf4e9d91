package mgmt

import (
	"holdfast/authz"
	"holdfast/authz/record"
)

// Owner is the user whose things a request is about: the cardholder who calls, or the one that the path names. Embed it in
// requests that more than one channel has.
type Owner struct {
	Named authz.UserID `path:"c,omitempty" rule:"min=1"`
}

// User is the owner.
func (o *Owner) User(c *Call) authz.UserID {
	if c.Identity.User != 0 {
		return c.Identity.User
	}
	return o.Named
}

// Page is the part of a list's request that says which part of the list; embed it.
type Page struct {
	Limit  int    `query:"limit" rule:"min=1 max=200"`
	Cursor string `query:"cursor" rule:"format=cursor max=64"`
}

// Ask is the page as the records understand it.
func (p Page) Ask() record.Page { return record.Page{Limit: p.Limit, Cursor: p.Cursor} }

// List is a page of a list, newest first. Next is the cursor of the page behind it.
type List[T any] struct {
	Items []T    `json:"items" rule:"max=200"`
	Next  string `json:"next,omitempty"`
}

// Show makes a page of what is kept a page of what is shown.
func Show[K, S any](kept record.List[K], show func(*K) S) List[S] {
	l := List[S]{Items: make([]S, len(kept.Items)), Next: kept.Next}
	for i := range kept.Items {
		l.Items[i] = show(&kept.Items[i])
	}
	return l
}
