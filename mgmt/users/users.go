// Package users is the room of cardholders: partners register them, change, lock and remove them, and bring whole lists
// of them along. Who a user is to the network, and what KYC says of one, is decided elsewhere.
package users

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"holdfast/authz"
	"holdfast/authz/record"
	"holdfast/mgmt"
)

// Tx is what the room needs of a transaction. *records.Tx is one.
type Tx interface {
	InsertUser(ctx context.Context, u *record.User) error
	User(ctx context.Context, partner authz.PartnerID, id authz.UserID) (record.User, error)
	Users(ctx context.Context, f record.UserFilter, page record.Page) (record.List[record.User], error)
	UpdateUser(ctx context.Context, u *record.User) error
	SetUserState(ctx context.Context, partner authz.PartnerID, id authz.UserID, to record.UserState, at time.Time) (record.User, error)
}

// Address is where a user lives, as it is sent and shown.
type Address struct {
	Street   string `json:"street" rule:"min=1 max=120"`
	City     string `json:"city" rule:"min=1 max=80"`
	PostCode string `json:"postCode" rule:"min=1 max=16"`
	Country  string `json:"country" rule:"format=country"` // ISO 3166-1 alpha-3
}

// Registration is what a partner says of a new user. KYC needs date of birth and nationality too.
type Registration struct {
	FirstName   string   `json:"firstName" rule:"min=1 max=60"`
	LastName    string   `json:"lastName" rule:"min=1 max=60"`
	Email       string   `json:"email" rule:"format=email max=254"`
	Phone       string   `json:"phone" rule:"format=phone"`
	BirthDate   string   `json:"dateOfBirth,omitempty" rule:"format=date"`
	Nationality string   `json:"nationality,omitempty" rule:"format=country"` // ISO 3166-1 alpha-3
	ExternalID  string   `json:"externalId,omitempty" rule:"min=1 max=64"`
	Address     *Address `json:"address"`
}

// Change is what may be changed of a user; what is left out stays.
type Change struct {
	FirstName   *string  `json:"firstName" rule:"min=1 max=60"`
	LastName    *string  `json:"lastName" rule:"min=1 max=60"`
	Email       *string  `json:"email" rule:"format=email max=254"`
	Phone       *string  `json:"phone" rule:"format=phone"`
	BirthDate   *string  `json:"dateOfBirth" rule:"format=date"`
	Nationality *string  `json:"nationality" rule:"format=country"`
	ExternalID  *string  `json:"externalId" rule:"max=64"` // empty takes it away
	Address     *Address `json:"address"`
}

// User is one as the API shows it. Of a removed one only the number and the states are left.
type User struct {
	ID          authz.UserID     `json:"customerId"`
	State       record.UserState `json:"state" rule:"enum=ACTIVE|LOCKED|REMOVED"`
	KYC         record.KYCState  `json:"kyc" rule:"enum=NOT_STARTED|IN_PROGRESS|ACCEPTED|REJECTED"`
	ExternalID  string           `json:"externalId,omitempty"`
	FirstName   string           `json:"firstName"`
	LastName    string           `json:"lastName"`
	Email       string           `json:"email,omitempty"`
	Phone       string           `json:"phone,omitempty"`
	BirthDate   string           `json:"dateOfBirth,omitempty"`
	Nationality string           `json:"nationality,omitempty"`
	Address     *ShownAddress    `json:"address,omitempty"`
	CreatedAt   time.Time        `json:"createdAt"`
}

// ShownAddress is an [Address] that may have been brought along incomplete.
type ShownAddress struct {
	Street   string `json:"street"`
	City     string `json:"city"`
	PostCode string `json:"postCode"`
	Country  string `json:"country"`
}

// Show is a user as the API shows it.
func Show(u *record.User) User {
	s := User{ID: u.ID, State: u.State, KYC: u.KYC, ExternalID: u.ExternalID, FirstName: u.FirstName, LastName: u.LastName,
		Email: u.Email, Phone: u.Phone, BirthDate: u.BirthDate, Nationality: u.Nationality, CreatedAt: u.CreatedAt}
	if u.Address != (record.Address{}) {
		a := ShownAddress(u.Address)
		s.Address = &a
	}
	return s
}

type registerRequest struct {
	Body Registration
}

type oneRequest struct {
	User authz.UserID `path:"c" rule:"min=1"`
}

type changeRequest struct {
	User authz.UserID `path:"c" rule:"min=1"`
	Body Change
}

type listRequest struct {
	mgmt.Page
	State      record.UserState `query:"state" rule:"enum=ACTIVE|LOCKED|REMOVED"`
	KYC        record.KYCState  `query:"kyc" rule:"enum=NOT_STARTED|IN_PROGRESS|ACCEPTED|REJECTED"`
	Email      string           `query:"email" rule:"format=email max=254"`
	Phone      string           `query:"phone" rule:"format=phone"`
	ExternalID string           `query:"externalId" rule:"max=64"`
}

// Routes are the room's rows of the routing table.
func Routes() []mgmt.Bound {
	const all, one = "/lifecycle/v1/users", "/lifecycle/v1/users/{c}"
	row := func(method, path, audit, summary string, refusals ...string) mgmt.Route {
		return mgmt.Route{Method: method, Path: path, Channel: mgmt.Lifecycle, Audit: audit, Summary: summary, Refusals: refusals}
	}
	created := row(http.MethodPost, all, "user.register", "Register a user", "ALREADY_EXISTS")
	created.Status = http.StatusCreated
	return []mgmt.Bound{
		mgmt.Handle(created, register),
		mgmt.Handle(row(http.MethodGet, all, "", "The partner's users"), list),
		mgmt.Handle(row(http.MethodGet, one, "", "A user"), read),
		mgmt.Handle(row(http.MethodPatch, one, "user.change", "Change a user's data", "ALREADY_EXISTS", "USER_REMOVED", "VERSION_CONFLICT"),
			change),
		mgmt.Handle(row(http.MethodDelete, one, "user.remove", "Remove a user for ever, who has no open balance and no card",
			"USER_REMOVED", "BALANCE_NOT_ZERO", "CARDS_LEFT", "ILLEGAL_STATE"), to(record.UserRemoved)),
		mgmt.Handle(row(http.MethodPost, one+"/lock", "user.lock", "Lock a user: all cards are declined from now on",
			"USER_REMOVED", "ILLEGAL_STATE"), to(record.UserLocked)),
		mgmt.Handle(row(http.MethodPost, one+"/unlock", "user.unlock", "Unlock a user", "USER_REMOVED", "ILLEGAL_STATE"),
			to(record.UserActive)),
		mgmt.Handle(importRoute(all+"/import"), importUsers),
	}
}

func name(id authz.UserID) string { return "user " + strconv.FormatInt(int64(id), 10) }

// user makes a record of a registration.
func (r *Registration) user(c *mgmt.Call) record.User {
	u := record.User{Partner: c.Partner, FirstName: r.FirstName, LastName: r.LastName, Email: r.Email, Phone: r.Phone,
		BirthDate: r.BirthDate, Nationality: r.Nationality, ExternalID: r.ExternalID, CreatedAt: c.At}
	if r.Address != nil {
		u.Address = record.Address(*r.Address)
	}
	return u
}

func register(ctx context.Context, c *mgmt.Call, in *registerRequest) (User, error) {
	u := in.Body.user(c)
	if err := mgmt.In[Tx](c).InsertUser(ctx, &u); err != nil {
		return User{}, err
	}
	c.Object(name(u.ID))
	return Show(&u), nil
}

func list(ctx context.Context, c *mgmt.Call, in *listRequest) (mgmt.List[User], error) {
	l, err := mgmt.In[Tx](c).Users(ctx, record.UserFilter{Partner: c.Partner, State: in.State, KYC: in.KYC, Email: in.Email,
		Phone: in.Phone, ExternalID: in.ExternalID}, in.Ask())
	return mgmt.Show(l, Show), err
}

func read(ctx context.Context, c *mgmt.Call, in *oneRequest) (User, error) {
	u, err := mgmt.In[Tx](c).User(ctx, c.Partner, in.User)
	return Show(&u), err
}

func change(ctx context.Context, c *mgmt.Call, in *changeRequest) (User, error) {
	tx := mgmt.In[Tx](c)
	c.Object(name(in.User))
	u, err := tx.User(ctx, c.Partner, in.User)
	if err != nil {
		return User{}, err
	}
	for _, f := range []struct {
		to   *string
		from *string
	}{{&u.FirstName, in.Body.FirstName}, {&u.LastName, in.Body.LastName}, {&u.Email, in.Body.Email}, {&u.Phone, in.Body.Phone},
		{&u.BirthDate, in.Body.BirthDate}, {&u.Nationality, in.Body.Nationality}, {&u.ExternalID, in.Body.ExternalID}} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	if in.Body.Address != nil {
		u.Address = record.Address(*in.Body.Address)
	}
	if err := tx.UpdateUser(ctx, &u); err != nil {
		return User{}, err
	}
	return Show(&u), nil
}

// to brings a user into a state; the caches of the switch learn of the cards by what the transaction changed.
func to(state record.UserState) func(context.Context, *mgmt.Call, *oneRequest) (mgmt.None, error) {
	return func(ctx context.Context, c *mgmt.Call, in *oneRequest) (mgmt.None, error) {
		c.Object(name(in.User))
		_, err := mgmt.In[Tx](c).SetUserState(ctx, c.Partner, in.User, state, c.At)
		return mgmt.None{}, err
	}
}
