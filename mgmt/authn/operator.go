package authn

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"time"
	"unicode/utf8"

	"holdfast/authz"
	"holdfast/authz/record"
	"holdfast/mgmt"
	"holdfast/mgmt/problem"
)

// How wrong tries at the log-in end.
const (
	triesMax  = 5
	lockedFor = 30 * time.Minute // PCI DSS 8.3.4
)

// operator authenticates an operator by the token of a session, which ends when it was not used for a while. Role and
// state are read each time, so a change counts at once.
func (m *Room) operator(ctx context.Context, r *http.Request) (mgmt.Identity, error) {
	hash, err := bearer(r)
	if err != nil {
		return mgmt.Identity{}, err
	}
	now := m.now()
	var s record.Session
	var o record.Operator
	if err := m.view(ctx, func(tx Tx) (err error) {
		if s, err = tx.Session(ctx, hash, now); err != nil || s.Kind != record.SessionOperator {
			return orNotFound(err)
		}
		o, err = tx.Operator(ctx, s.Operator)
		return err
	}); err != nil {
		return mgmt.Identity{}, unknown(err)
	}
	idle := now.Sub(s.SeenAt)
	if o.Disabled || idle >= operatorIdle {
		return mgmt.Identity{}, errUnknown
	}
	if idle >= touchEvery {
		if err := m.store.Update(ctx, func(tx mgmt.Tx) error { return tx.(Tx).TouchSession(ctx, hash, now) }); err != nil {
			return mgmt.Identity{}, err
		}
	}
	return mgmt.Identity{Name: "operator " + o.ID.String(), Operator: o.ID, Roles: mgmt.RoleOf(o.Role), Session: hash, Unbound: true}, nil
}

type loginRequest struct {
	Body struct {
		Email    string `json:"email" rule:"format=email max=254"`
		Password string `json:"password" rule:"min=1 max=128"`
		Code     string `json:"code" rule:"min=6 max=6 format=digits"`
	}
}

// OperatorSession is a session and whose it is.
type OperatorSession struct {
	Session
	Name string      `json:"name"`
	Role record.Role `json:"role"`
}

// Operator is one as it is shown.
type Operator struct {
	ID       record.UUID `json:"id"`
	Email    string      `json:"email"`
	Name     string      `json:"name"`
	Role     record.Role `json:"role"`
	Disabled bool        `json:"disabled"`
}

func shownOperator(o *record.Operator) Operator {
	return Operator{ID: o.ID, Email: o.Email, Name: o.Name, Role: o.Role, Disabled: o.Disabled}
}

type createRequest struct {
	Body struct {
		Email    string      `json:"email" rule:"format=email max=254"`
		Name     string      `json:"name" rule:"min=1 max=60"`
		Role     record.Role `json:"role" rule:"enum=Admin|Manager|Employee"`
		Password string      `json:"password" rule:"min=12 max=128"`
	}
}

// Created is a new operator with the secret of the one-time codes, which is told this once.
type Created struct {
	Operator
	Link string `json:"otpauth" rule:"max=600"`
}

type changeRequest struct {
	ID   record.UUID `path:"id"`
	Body struct {
		Role     *record.Role `json:"role" rule:"enum=Admin|Manager|Employee"`
		Disabled *bool        `json:"disabled"`
	}
}

func (m *Room) operatorRoutes() []mgmt.Bound {
	admin := func(r mgmt.Route, roles mgmt.Roles) mgmt.Route {
		r.Channel, r.Roles = mgmt.Admin, roles
		return r
	}
	return []mgmt.Bound{
		mgmt.HandlePrepared(mgmt.Route{Method: http.MethodPost, Path: "/admin/sessions", Channel: mgmt.Open, Audit: "operator.login",
			Status: http.StatusCreated, Summary: "Log in with password and one-time code",
			Refusals: []string{string(problem.Unauthenticated)}}, m.checkLogin, m.login),
		mgmt.Handle(admin(mgmt.Route{Method: http.MethodDelete, Path: "/admin/sessions/current", Audit: "operator.logout",
			Summary: "Log out"}, mgmt.RolesAll), m.logout),
		mgmt.Handle(admin(mgmt.Route{Method: http.MethodGet, Path: "/admin/operators", Summary: "The operators"}, mgmt.RolesAM),
			func(ctx context.Context, c *mgmt.Call, in *struct{ mgmt.Page }) (mgmt.List[Operator], error) {
				l, err := mgmt.In[Tx](c).Operators(ctx, in.Ask())
				return mgmt.Show(l, shownOperator), err
			}),
		mgmt.HandlePrepared(admin(mgmt.Route{Method: http.MethodPost, Path: "/admin/operators", Audit: "operator.create",
			Status: http.StatusCreated, Summary: "Make an operator", Refusals: []string{"ALREADY_EXISTS"}}, mgmt.RoleAdmin),
			func(_ context.Context, _ *mgmt.Call, in *createRequest) (*record.Operator, error) {
				return NewOperator(in.Body.Email, in.Body.Name, in.Body.Role, in.Body.Password)
			},
			func(ctx context.Context, c *mgmt.Call, _ *createRequest, o *record.Operator) (Created, error) {
				o.CreatedAt = c.At
				if err := mgmt.In[Tx](c).InsertOperator(ctx, o); err != nil {
					return Created{}, err
				}
				c.Object("operator " + o.ID.String())
				return Created{shownOperator(o), totpLink(o.Email, o.TOTPSecret)}, nil
			}),
		mgmt.Handle(admin(mgmt.Route{Method: http.MethodPatch, Path: "/admin/operators/{id}", Audit: "operator.change",
			Summary: "Change an operator's role, or disable one", Refusals: []string{"ILLEGAL_STATE"}}, mgmt.RoleAdmin), m.change),
	}
}

// NewOperator is an operator with a password and a new secret for one-time codes, not yet kept. The error is a problem.
func NewOperator(email, name string, role record.Role, password string) (*record.Operator, error) {
	if n := utf8.RuneCountInString(password); n < PasswordMin || n > PasswordMax {
		return nil, problem.Body("/password", "must have 12 to 128 characters")
	}
	secret := make([]byte, totpSecret)
	_, _ = rand.Read(secret) // never fails: it ends the program instead
	return &record.Operator{Email: email, Name: name, Role: role, PasswordHash: HashPassword(password), TOTPSecret: secret}, nil
}

// Link is the secret of an operator's one-time codes as authenticator apps read it.
func Link(o *record.Operator) string { return totpLink(o.Email, o.TOTPSecret) }

// checked is a password that was checked against a hash, outside of any transaction.
type checked struct {
	hash  string
	right bool
}

func (m *Room) checkLogin(ctx context.Context, c *mgmt.Call, in *loginRequest) (checked, error) {
	var o record.Operator
	err := c.View(ctx, func(tx mgmt.Tx) (err error) {
		o, err = tx.(Tx).FindOperator(ctx, in.Body.Email)
		return err
	})
	switch {
	case errors.Is(err, authz.ErrNotFound):
		o.PasswordHash = noHash
	case err != nil:
		return checked{}, err
	}
	right, err := m.checkPassword(ctx, in.Body.Password, o.PasswordHash)
	return checked{o.PasswordHash, right}, err
}

func (m *Room) login(ctx context.Context, c *mgmt.Call, in *loginRequest, password checked) (OperatorSession, error) {
	tx := mgmt.In[Tx](c)
	o, err := tx.OperatorByEmail(ctx, in.Body.Email)
	if err != nil {
		return OperatorSession{}, unknown(err)
	}
	c.Object("operator " + o.ID.String())
	if o.Disabled || c.At.Before(o.LockedUntil) {
		return OperatorSession{}, mgmt.Keep(errUnknown)
	}
	step := totpCheck(o.TOTPSecret, in.Body.Code, c.At, o.TOTPLast)
	if !password.right || password.hash != o.PasswordHash || step == 0 {
		if o.Failures++; o.Failures >= triesMax {
			o.Failures, o.LockedUntil = 0, c.At.Add(lockedFor)
		}
		if err := tx.UpdateOperator(ctx, &o); err != nil {
			return OperatorSession{}, err
		}
		return OperatorSession{}, mgmt.Keep(errUnknown)
	}
	o.Failures, o.TOTPLast, o.LockedUntil = 0, step, time.Time{}
	if err := tx.UpdateOperator(ctx, &o); err != nil {
		return OperatorSession{}, err
	}
	c.Act("operator "+o.ID.String(), 0)
	token, hash := newToken()
	s := OperatorSession{Session{token, c.At.Add(operatorFor)}, o.Name, o.Role}
	return s, tx.NewSession(ctx, &record.Session{Hash: hash, Kind: record.SessionOperator, Operator: o.ID, CreatedAt: c.At, SeenAt: c.At,
		ExpiresAt: s.ExpiresAt})
}

func (m *Room) change(ctx context.Context, c *mgmt.Call, in *changeRequest) (Operator, error) {
	tx := mgmt.In[Tx](c)
	o, err := tx.Operator(ctx, in.ID)
	if err != nil {
		return Operator{}, err
	}
	c.Object("operator " + o.ID.String())
	if in.Body.Role != nil {
		o.Role = *in.Body.Role
	}
	if in.Body.Disabled != nil {
		o.Disabled = *in.Body.Disabled
	}
	if err := tx.UpdateOperator(ctx, &o); err != nil {
		return Operator{}, err
	}
	if o.Disabled {
		err = tx.EndOperatorSessions(ctx, o.ID)
	}
	return shownOperator(&o), err
}
