package main

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"holdfast/authz"
	"holdfast/authz/record"
	"holdfast/mgmt"
	"holdfast/mgmt/authn"
	"holdfast/mgmt/balances"
	"holdfast/mgmt/cards"
	"holdfast/mgmt/kyc"
	"holdfast/mgmt/mail"
	"holdfast/mgmt/orders"
	"holdfast/mgmt/partners"
	"holdfast/mgmt/sandbox"
	"holdfast/mgmt/transactions"
	"holdfast/mgmt/users"
	"holdfast/mgmt/webhooks"
	"holdfast/store/records"
	"holdfast/switch/gateway"
)

// The records are what each room needs.
var (
	_ authn.Tx        = (*records.Tx)(nil)
	_ users.Tx        = (*records.Tx)(nil)
	_ kyc.Tx          = (*records.Tx)(nil)
	_ balances.Tx     = (*records.Tx)(nil)
	_ partners.Tx     = (*records.Tx)(nil)
	_ cards.Tx        = (*records.Tx)(nil)
	_ orders.Tx       = (*records.Tx)(nil)
	_ transactions.Tx = (*records.Tx)(nil)
	_ sandbox.Tx      = (*records.Tx)(nil)
	_ webhooks.Tx     = (*records.Tx)(nil)
)

// rooms are what the rooms of the management API are made of.
type rooms struct {
	identities *authn.Room
	kyc        kyc.Config
	partners   partners.Config
	sandbox    *sandbox.Room
}

func (n *node) rooms(c *managementConfig, identities *authn.Room, books mgmt.Store) (rooms, error) {
	net, err := n.sandboxNetwork()
	if err != nil {
		return rooms{}, err
	}
	return rooms{identities: identities, kyc: c.KYC.rules(),
		partners: partners.Config{Peers: n.peers, CheckPeer: n.checkPeer,
			Codes: func(codes map[string]string) error { return gateway.Codes(codes).Check() },
			Align: func(ctx context.Context, id authz.PartnerID) error {
				ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), alignWithin)
				defer cancel()
				return records.AlignPartner(ctx, n.store, id)
			}},
		sandbox: &sandbox.Room{Network: net, Moved: n.clock.set, Finish: n.orderWorker(c, books).Finish}}, nil
}

// alignWithin bounds a suspension, whether or not who asked for it is still there: less than a server may take to answer.
const alignWithin = 25 * time.Second

// routes is the routing table of the management API: each room's rows.
func routes(r rooms) []mgmt.Bound {
	var rows []mgmt.Bound
	for _, more := range [][]mgmt.Bound{r.identities.Routes(), users.Routes(), kyc.New(r.kyc).Routes(), balances.Routes(),
		partners.New(r.partners).Routes(), cards.Routes(), orders.Routes(), transactions.Routes(), webhooks.Routes(), r.sandbox.Routes()} {
		rows = append(rows, more...)
	}
	return rows
}

// peers are who the configuration lets connect to this node.
func (n *node) peers() []partners.Peer {
	list := make([]partners.Peer, len(n.servers))
	for i, s := range n.servers {
		stats, peer := s.Stats(), n.setups[i].peer
		list[i] = partners.Peer{Name: peer.Name, Configured: true, Address: n.listeners[i].Addr().String(), Dialect: peer.Dialect.Name(),
			Framing: n.setups[i].server.Format.String(), SignOn: peer.RequireSignOn,
			Deadline: cmp.Or(peer.Deadline, gateway.DefaultDeadline).Milliseconds(), FileActions: peer.FileActions,
			BINs: append([]string{}, peer.BINs...), ActionCodes: partners.ShowCodes(peer.ActionCodes), Links: stats.Links,
			InFlight: stats.InFlight,
			FramesIn: stats.FramesIn, FramesOut: stats.FramesOut, Malformed: stats.Malformed}
	}
	return list
}

// checkPeer refuses a change of a peer that could not be used here.
func (n *node) checkPeer(c record.PeerChange) error {
	for _, s := range n.setups {
		if s.peer.Name == c.Name {
			change := peerChange(&c)
			return change.Check(s.peer)
		}
	}
	return authz.ErrNotFound
}

func peerChange(c *record.PeerChange) gateway.PeerChange {
	return gateway.PeerChange{ActionCodes: c.ActionCodes, BINs: c.BINs, FileActions: c.FileActions}
}

// kycConfig is how the automated rules decide who is known.
type kycConfig struct {
	AgeMin int `yaml:"ageMin"` // in years; 18 when it is left out
	// Review leaves every acceptance to an operator; the rules reject and queue only.
	Review    bool          `yaml:"review"`
	WatchList []watchConfig `yaml:"watchList"`
}

// watchConfig is someone to look out for.
type watchConfig struct {
	Name      string `yaml:"name"`
	BirthDate string `yaml:"dateOfBirth"` // as 1990-12-31; empty: unknown
}

func (c *kycConfig) check() error {
	if c.AgeMin < 0 || c.AgeMin > 100 {
		return usagef("management.kyc.ageMin is %d, want 0 to 100", c.AgeMin)
	}
	for i, w := range c.WatchList {
		_, err := time.Parse(time.DateOnly, w.BirthDate)
		if w.Name == "" || w.BirthDate != "" && err != nil {
			return usagef("management.kyc.watchList[%d] wants a name, and a date as 1990-12-31 when it is known", i)
		}
	}
	return nil
}

func (c *kycConfig) rules() kyc.Config {
	cfg := kyc.Config{Rules: record.KYCRules{AgeMin: c.AgeMin}, Review: c.Review}
	for _, w := range c.WatchList {
		cfg.Rules.WatchList = append(cfg.Rules.WatchList, record.WatchName(w))
	}
	return cfg
}

// mailConfig is where e-mail goes out. Without it there is none.
type mailConfig struct {
	Address  string `yaml:"address"`
	From     string `yaml:"from"`
	User     string `yaml:"user"`
	Password string `yaml:"password"`
}

// sender is nil when no mail goes out.
func (c *mailConfig) sender() (*mail.Sender, error) {
	if *c == (mailConfig{}) {
		return nil, nil
	}
	s, err := mail.New(mail.Config{Address: c.Address, From: c.From, User: c.User, Password: c.Password})
	if err != nil {
		return nil, usageError{fmt.Errorf("management.mail: %w", err)}
	}
	return s, nil
}
