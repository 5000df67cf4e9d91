package partners

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"

	"holdfast/authz"
	"holdfast/authz/record"
	"holdfast/mgmt"
)

// Peer is a network or simulator that may connect to this node, as the configuration has it and operators changed it, and
// its traffic since the node started. Links and InFlight are of this moment.
type Peer struct {
	Name        string       `json:"name"`
	Address     string       `json:"address"`
	Dialect     string       `json:"dialect"`
	Framing     string       `json:"framing"`
	SignOn      bool         `json:"requireSignOn"`
	Deadline    int64        `json:"deadlineMilliseconds"`
	FileActions bool         `json:"fileActions"` // it may lock and unlock cards
	BINs        []string     `json:"bins"`        // the cards that it may ask for; none: all
	ActionCodes []ActionCode `json:"actionCodes"` // of its own
	Changed     bool         `json:"changed"`     // something of the last three is not as in the configuration
	Links       int64        `json:"links"`
	InFlight    int64        `json:"inFlight"`
	FramesIn    int64        `json:"framesIn"`
	FramesOut   int64        `json:"framesOut"`
	Malformed   int64        `json:"malformed"`
}

// Peers are all of this node's.
type Peers struct {
	Items []Peer `json:"items"`
}

type peerRequest struct {
	Name string `path:"name" rule:"min=1 max=100 format=name"`
}

type changePeerRequest struct {
	Name string `path:"name" rule:"min=1 max=100 format=name"`
	Body struct {
		FileActions *bool         `json:"fileActions"`
		BINs        *[]string     `json:"bins" rule:"max=100"`
		ActionCodes *[]ActionCode `json:"actionCodes" rule:"max=64"`
	}
}

func (m *Room) peerRoutes() []mgmt.Bound {
	const all, one = "/admin/peers", "/admin/peers/{name}"
	return []mgmt.Bound{
		mgmt.Handle(row(http.MethodGet, all, mgmt.RolesAll, "", "The networks that may connect to this node, and their traffic"),
			func(ctx context.Context, c *mgmt.Call, _ *mgmt.None) (Peers, error) {
				list, err := m.peers(ctx, mgmt.In[Tx](c))
				return Peers{list}, err
			}),
		mgmt.Handle(row(http.MethodPatch, one, mgmt.RoleAdmin, "peer.change",
			"Change what a network may do and is answered; what is left out stays"), m.changePeer),
		mgmt.Handle(row(http.MethodDelete, one, mgmt.RoleAdmin, "peer.reset", "Have a network be as the configuration has it"),
			func(ctx context.Context, c *mgmt.Call, in *peerRequest) (mgmt.None, error) {
				c.Object("peer " + in.Name)
				if err := m.cfg.CheckPeer(record.PeerChange{Name: in.Name}); err != nil {
					return mgmt.None{}, err
				}
				return mgmt.None{}, mgmt.In[Tx](c).ResetPeer(ctx, in.Name)
			}),
	}
}

// peers are this node's as they are now.
func (m *Room) peers(ctx context.Context, tx Tx) ([]Peer, error) {
	list := append([]Peer{}, m.cfg.Peers()...)
	changes, err := tx.PeerChanges(ctx)
	for i := range list {
		for _, c := range changes {
			if c.Name == list[i].Name {
				list[i].apply(&c)
			}
		}
	}
	return list, err
}

func (p *Peer) apply(c *record.PeerChange) {
	p.Changed = true
	set(&p.FileActions, c.FileActions)
	set(&p.BINs, c.BINs)
	if c.ActionCodes != nil {
		p.ActionCodes = ShowCodes(c.ActionCodes)
	}
}

// ShowCodes lists action codes in the order of their reasons.
func ShowCodes(codes map[string]string) []ActionCode {
	all := []ActionCode{}
	for _, reason := range slices.Sorted(maps.Keys(codes)) {
		for _, code := range strings.Fields(codes[reason]) {
			all = append(all, ActionCode{reason, code})
		}
	}
	return all
}

// readCodes is the opposite of ShowCodes.
func readCodes(list []ActionCode) map[string]string {
	codes := map[string]string{}
	for _, a := range list {
		codes[a.Reason] = strings.TrimSpace(codes[a.Reason] + " " + a.Code)
	}
	return codes
}

func (m *Room) changePeer(ctx context.Context, c *mgmt.Call, in *changePeerRequest) (Peer, error) {
	tx := mgmt.In[Tx](c)
	c.Object("peer " + in.Name)
	change := record.PeerChange{Name: in.Name}
	if err := m.cfg.CheckPeer(change); err != nil {
		return Peer{}, err
	}
	before, err := tx.PeerChanges(ctx)
	if err != nil {
		return Peer{}, err
	}
	for _, b := range before {
		if b.Name == in.Name {
			change = b
		}
	}
	if in.Body.FileActions != nil {
		change.FileActions = in.Body.FileActions
	}
	if in.Body.BINs != nil {
		change.BINs = in.Body.BINs
	}
	if in.Body.ActionCodes != nil {
		change.ActionCodes = readCodes(*in.Body.ActionCodes)
	}
	if err := change.Check(); err != nil {
		return Peer{}, err
	}
	if err := m.cfg.CheckPeer(change); err != nil {
		return Peer{}, errCodes
	}
	if err := tx.SetPeer(ctx, change, c.At); err != nil {
		return Peer{}, err
	}
	list, err := m.peers(ctx, tx)
	i := slices.IndexFunc(list, func(p Peer) bool { return p.Name == in.Name })
	if err != nil || i < 0 {
		return Peer{}, errors.Join(err, authz.ErrNotFound)
	}
	return list[i], nil
}
