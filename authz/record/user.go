package record

import (
	"strings"
	"time"

	"holdfast/authz"
)

// UserState is where a cardholder is.
type UserState string

// The states of a user. A locked user's cards are declined; a removed one never comes back.
const (
	UserActive  UserState = "ACTIVE"
	UserLocked  UserState = "LOCKED"
	UserRemoved UserState = "REMOVED"
)

// User is a cardholder of a partner. The personal data are what a partner registers: e-mail, telephone, name,
// date of birth and nationality, and an address for cards that are posted.
type User struct {
	ID          authz.UserID
	Version     int64
	Partner     authz.PartnerID
	State       UserState
	KYC         KYCState
	ExternalID  string // the partner's own name for the user; unique within the partner unless empty
	FirstName   string
	LastName    string
	Email       string // unique within the partner, however it is written, unless empty
	Phone       string // as +48123456789; unique within the partner unless empty
	BirthDate   string // as 1990-12-31
	Nationality string // ISO 3166-1 alpha-3, as passports have it
	Address     Address
	CreatedAt   time.Time
}

// Address is where a person lives or a card is posted to.
type Address struct {
	Street   string
	City     string
	PostCode string
	Country  string // ISO 3166-1 alpha-3
}

// Name is the user's name as people read it.
func (u *User) Name() string { return strings.TrimSpace(u.FirstName + " " + u.LastName) }

// Check finds a field that must not be as it is. A user needs a name, an e-mail address and a telephone number;
// KYC needs the rest.
func (u *User) Check() error {
	var c checks
	c.text("firstName", u.FirstName, true, 60)
	c.text("lastName", u.LastName, true, 60)
	c.email("email", u.Email, true)
	c.phone("phone", u.Phone, true)
	c.text("externalId", u.ExternalID, false, 64)
	c.date("dateOfBirth", u.BirthDate, false)
	c.letters("nationality", u.Nationality, false, 3)
	u.Address.check(&c, false)
	return c.err
}

// Check finds a field of an address that a card cannot be posted to.
func (a *Address) Check() error {
	var c checks
	a.check(&c, true)
	return c.err
}

func (a *Address) check(c *checks, required bool) {
	c.text("address.street", a.Street, required, 120)
	c.text("address.city", a.City, required, 80)
	c.text("address.postCode", a.PostCode, required, 16)
	c.letters("address.country", a.Country, required, 3)
}

// To is whether a user in this state may be brought into another.
func (s UserState) To(next UserState) error {
	switch {
	case s == UserRemoved:
		return ErrUserRemoved
	case s == next || next != UserActive && next != UserLocked && next != UserRemoved:
		return ErrState
	}
	return nil
}

// Anonymous is what is kept of a user who was removed: the number, so that the books stay whole.
func (u User) Anonymous() User {
	return User{ID: u.ID, Version: u.Version, Partner: u.Partner, State: UserRemoved, KYC: u.KYC, CreatedAt: u.CreatedAt}
}
