package partners

import (
	"context"
	"net/http"
	"time"

	"holdfast/authz"
	"holdfast/authz/money"
	"holdfast/authz/record"
	"holdfast/mgmt"
	"holdfast/mgmt/problem"
)

// ActionCode replaces the answer to the network for a reason. Its length says in which edition of ISO 8583: two
// characters 1987, three 1993, four 2003; a reason may have one of each.
type ActionCode struct {
	Reason string `json:"reason" rule:"min=1 max=40"` // such as LOCKED_LOST
	Code   string `json:"actionCode" rule:"min=2 max=4"`
}

// Program is one as it is set up and shown. BIN ranges are the first eight digits, from and to; the mark-up on exchange is
// in hundredths of a percent.
type Program struct {
	ID              authz.ProgramID `json:"programId"`
	Partner         authz.PartnerID `json:"partnerId"`
	Name            string          `json:"name"`
	BINLow          int32           `json:"binLow"`
	BINHigh         int32           `json:"binHigh"`
	Currency        string          `json:"currency" rule:"format=currency"`
	Funding         record.Funding  `json:"funding" rule:"enum=CREDIT|DEPOSIT"`
	Holder          record.Holder   `json:"holder" rule:"enum=US|PARTNER"`
	RemoteURL       string          `json:"remoteUrl,omitempty" rule:"max=500"`
	DigitalFirst    bool            `json:"digitalFirst"`
	PartnerBalances bool            `json:"partnerBalances"`
	OutsideOnly     bool            `json:"outsideOnly"`
	HoldHours       int64           `json:"holdHours"`
	MarkUp          int64           `json:"markUp"`
	FXToUser        bool            `json:"fxToUser"`
	CardMonths      int64           `json:"cardMonths"`
	ActionCodes     []ActionCode    `json:"actionCodes" rule:"max=64"`
	CreatedAt       time.Time       `json:"createdAt"`
}

type setUpRequest struct {
	Body struct {
		Partner  authz.PartnerID `json:"partnerId" rule:"min=1"`
		Name     string          `json:"name" rule:"min=1 max=100"`
		BINLow   int32           `json:"binLow" rule:"min=10000000 max=99999999"`
		BINHigh  int32           `json:"binHigh" rule:"min=10000000 max=99999999"`
		Currency string          `json:"currency" rule:"format=currency"`
		Funding  record.Funding  `json:"funding" rule:"enum=CREDIT|DEPOSIT"`
		Holder   record.Holder   `json:"holder,omitempty" rule:"enum=US|PARTNER"` // US when left out
		Settings
	}
}

type adjustRequest struct {
	ID   authz.ProgramID `path:"id" rule:"min=1"`
	Body struct {
		Name   *string        `json:"name" rule:"min=1 max=100"`
		Holder *record.Holder `json:"holder" rule:"enum=US|PARTNER"`
		Settings
	}
}

// Settings are what may be set when a program is made and changed later; what is left out stays as it is.
type Settings struct {
	RemoteURL       *string       `json:"remoteUrl" rule:"format=https max=500"`
	DigitalFirst    *bool         `json:"digitalFirst"`    // virtual cards may be printed
	PartnerBalances *bool         `json:"partnerBalances"` // the partner may open its own balances
	OutsideOnly     *bool         `json:"outsideOnly"`     // only operators undo a lock from outside
	HoldHours       *int64        `json:"holdHours" rule:"min=0 max=8760"`
	MarkUp          *int64        `json:"markUp" rule:"min=0 max=2000"`
	FXToUser        *bool         `json:"fxToUser"` // differences of exchange at clearing stay with the user, not with the COMPANY balance
	CardMonths      *int64        `json:"cardMonths" rule:"min=1 max=120"`
	ActionCodes     *[]ActionCode `json:"actionCodes" rule:"max=64"`
}

// apply writes the settings that are there into a program.
func (s *Settings) apply(p *record.Program) {
	set(&p.RemoteURL, s.RemoteURL)
	set(&p.DigitalFirst, s.DigitalFirst)
	set(&p.PartnerBalances, s.PartnerBalances)
	set(&p.OutsideOnly, s.OutsideOnly)
	set(&p.HoldHours, s.HoldHours)
	set(&p.MarkUp, s.MarkUp)
	set(&p.FXToUser, s.FXToUser)
	set(&p.CardMonths, s.CardMonths)
	if s.ActionCodes != nil {
		p.ActionCodes = readCodes(*s.ActionCodes)
	}
	if p.Holder == record.HolderUs {
		p.RemoteURL = ""
	}
}

func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

func shownProgram(p *record.Program) Program {
	return Program{ID: p.ID, Partner: p.Partner, Name: p.Name, BINLow: p.BINLow, BINHigh: p.BINHigh, Currency: p.Currency.Alpha(),
		Funding: p.Funding, Holder: p.Holder, RemoteURL: p.RemoteURL, DigitalFirst: p.DigitalFirst, PartnerBalances: p.PartnerBalances,
		OutsideOnly: p.OutsideOnly, HoldHours: p.HoldHours, MarkUp: p.MarkUp, FXToUser: p.FXToUser, CardMonths: p.CardMonths,
		ActionCodes: ShowCodes(p.ActionCodes), CreatedAt: p.CreatedAt}
}

type programsRequest struct {
	mgmt.Page
	Partner authz.PartnerID `query:"partnerId" rule:"min=1"`
}

type programRequest struct {
	ID authz.ProgramID `path:"id" rule:"min=1"`
}

func (m *Room) programRoutes() []mgmt.Bound {
	const all, one = "/admin/programs", "/admin/programs/{id}"
	created := row(http.MethodPost, all, mgmt.RoleAdmin, "program.create", "Set a card program up", "ALREADY_EXISTS")
	created.Status = http.StatusCreated
	return []mgmt.Bound{
		mgmt.Handle(created, m.setUp),
		mgmt.Handle(row(http.MethodGet, all, mgmt.RolesAll, "", "The card programs"),
			func(ctx context.Context, c *mgmt.Call, in *programsRequest) (mgmt.List[Program], error) {
				l, err := mgmt.In[Tx](c).Programs(ctx, in.Partner, in.Ask())
				return mgmt.Show(l, shownProgram), err
			}),
		mgmt.Handle(row(http.MethodGet, one, mgmt.RolesAll, "", "A card program"),
			func(ctx context.Context, c *mgmt.Call, in *programRequest) (Program, error) {
				p, err := mgmt.In[Tx](c).Program(ctx, 0, in.ID)
				return shownProgram(&p), err
			}),
		mgmt.Handle(row(http.MethodPatch, one, mgmt.RoleAdmin, "program.change",
			"Change a card program's settings; range, currency and funding stay", "ALREADY_EXISTS", "VERSION_CONFLICT"), m.adjust),
	}
}

var errCodes = record.Invalid("actionCodes", "has a reason that is unknown, or a code that says the opposite")

func (m *Room) setUp(ctx context.Context, c *mgmt.Call, in *setUpRequest) (Program, error) {
	b := &in.Body
	cur, err := money.ByAlpha(b.Currency)
	if err != nil {
		return Program{}, problem.Body("/currency", "must be a currency of ISO 4217")
	}
	p := record.Program{Partner: b.Partner, Name: b.Name, BINLow: b.BINLow, BINHigh: b.BINHigh, Currency: cur, Funding: b.Funding,
		Holder: b.Holder, CreatedAt: c.At}
	if p.Holder == "" {
		p.Holder = record.HolderUs
	}
	b.apply(&p)
	if err := m.cfg.Codes(p.ActionCodes); err != nil {
		return Program{}, errCodes
	}
	if err := mgmt.In[Tx](c).InsertProgram(ctx, &p); err != nil {
		return Program{}, err
	}
	c.Object("program " + number(p.ID))
	return shownProgram(&p), nil
}

func (m *Room) adjust(ctx context.Context, c *mgmt.Call, in *adjustRequest) (Program, error) {
	tx := mgmt.In[Tx](c)
	c.Object("program " + number(in.ID))
	p, err := tx.Program(ctx, 0, in.ID)
	if err != nil {
		return Program{}, err
	}
	set(&p.Name, in.Body.Name)
	set(&p.Holder, in.Body.Holder)
	in.Body.apply(&p)
	if err := m.cfg.Codes(p.ActionCodes); err != nil {
		return Program{}, errCodes
	}
	if err := tx.UpdateProgram(ctx, &p); err != nil {
		return Program{}, err
	}
	return shownProgram(&p), nil
}
