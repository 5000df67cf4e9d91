package partners

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"holdfast/authz"
	"holdfast/authz/record"
	"holdfast/mgmt"
)

// Peer is a network or simulator that may connect to this node, as the configuration has it and operators changed it, and
// its traffic since the node started. Links and InFlight are of this moment. One that the configuration of this node does not
// name has its settings only, which count as soon as it is named; what none was set for is then as the configuration says.
type Peer struct {
	Name        string       `json:"name"`
	Configured  bool         `json:"configured"` // the configuration of this node names it
	Address     string       `json:"address"`
	Dialect     string       `json:"dialect"`
	Framing     string       `json:"framing"`
	SignOn      bool         `json:"requireSignOn"`
	Deadline    int64        `json:"deadlineMilliseconds"`
	FileActions bool         `json:"fileActions"` // it may lock and unlock cards
	BINs        []string     `json:"bins"`        // the cards that it may ask for; none: all
	ActionCodes []ActionCode `json:"actionCodes"` // of its own
	Changed     bool         `json:"changed"`     // something of the last three was set by an operator
	Links       int64        `json:"links"`
	InFlight    int64        `json:"inFlight"`
	FramesIn    int64        `json:"framesIn"`
	FramesOut   int64        `json:"framesOut"`
	Malformed   int64        `json:"malformed"`
}

// PeerSettings are what may be set of a peer; what is left out stays as it is.
type PeerSettings struct {
	FileActions *bool         `json:"fileActions"`
	BINs        *[]string     `json:"bins" rule:"max=100"`
	ActionCodes *[]ActionCode `json:"actionCodes" rule:"max=64"`
}

func (s *PeerSettings) into(c *record.PeerChange) {
	if s.FileActions != nil {
		c.FileActions = s.FileActions
	}
	if s.BINs != nil {
		c.BINs = s.BINs
	}
	if s.ActionCodes != nil {
		c.ActionCodes = readCodes(*s.ActionCodes)
	}
}

type peerRequest struct {
	Name string `path:"name" rule:"min=1 max=100 format=name"`
}

type makePeerRequest struct {
	Body struct {
		Name string `json:"name" rule:"min=1 max=100 format=name"` // as the configuration has it, or will have it
		PeerSettings
	}
}

type changePeerRequest struct {
	Name string `path:"name" rule:"min=1 max=100 format=name"`
	Body PeerSettings
}

func (m *Room) peerRoutes() []mgmt.Bound {
	const all, one = "/admin/peers", "/admin/peers/{name}"
	made := row(http.MethodPost, all, mgmt.RoleAdmin, "peer.create",
		"Set what a network may do and is answered, before or after the configuration names it", "ALREADY_EXISTS", "LIMIT_REACHED")
	made.Status = http.StatusCreated
	return []mgmt.Bound{
		mgmt.Handle(made, m.makePeer),
		mgmt.Handle(row(http.MethodGet, all, mgmt.RolesAll, "", "The networks that may connect to this node, by name, and their traffic"),
			m.listPeers),
		mgmt.Handle(row(http.MethodPatch, one, mgmt.RoleAdmin, "peer.change",
			"Change what a network may do and is answered; what is left out stays"), m.changePeer),
		mgmt.Handle(row(http.MethodDelete, one, mgmt.RoleAdmin, "peer.reset", "Have a network be as the configuration has it"),
			func(ctx context.Context, c *mgmt.Call, in *peerRequest) (mgmt.None, error) {
				c.Object("peer " + in.Name)
				if _, err := m.peerChange(ctx, mgmt.In[Tx](c), in.Name); err != nil {
					return mgmt.None{}, err
				}
				return mgmt.None{}, mgmt.In[Tx](c).ResetPeer(ctx, in.Name)
			}),
	}
}

// peers are those of this node's configuration as they are now, and those that it does not name, by name. One behind several
// listeners is there for each.
func (m *Room) peers(ctx context.Context, tx Tx) ([]Peer, error) {
	list := append([]Peer{}, m.cfg.Peers()...)
	changes, err := tx.PeerChanges(ctx)
	for _, c := range changes {
		named := false
		for i := range list {
			if list[i].Name == c.Name {
				list[i].apply(&c)
				named = true
			}
		}
		if !named {
			p := Peer{Name: c.Name, BINs: []string{}, ActionCodes: []ActionCode{}}
			p.apply(&c)
			list = append(list, p)
		}
	}
	slices.SortStableFunc(list, func(a, b Peer) int { return strings.Compare(a.Name, b.Name) })
	return list, err
}

func (m *Room) listPeers(ctx context.Context, c *mgmt.Call, in *listRequest) (mgmt.List[Peer], error) {
	list, err := m.peers(ctx, mgmt.In[Tx](c))
	if err != nil {
		return mgmt.List[Peer]{}, err
	}
	return pageOf(list, in.Ask())
}

// pageOf is a page of a list that is sorted by name. A cursor names an entry by its name and which of that name it is; hashed,
// since a name may have more letters than a cursor.
func pageOf(list []Peer, page record.Page) (mgmt.List[Peer], error) {
	cursors, of := make([]string, len(list)), map[string]int{}
	for i := range list {
		sum := sha256.Sum256([]byte(list[i].Name + " " + strconv.Itoa(of[list[i].Name])))
		cursors[i] = hex.EncodeToString(sum[:16])
		of[list[i].Name]++
	}
	from := slices.Index(cursors, page.Cursor) + 1
	if from == 0 && page.Cursor != "" {
		return mgmt.List[Peer]{}, record.ErrCursor
	}
	to := min(from+page.Size(), len(list))
	l := mgmt.List[Peer]{Items: list[from:to]}
	if to < len(list) {
		l.Next = cursors[to-1]
	}
	return l, nil
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

// peerChange is what was changed of a peer, nothing when that is so. Neither in the configuration nor in the records it is
// [authz.ErrNotFound].
func (m *Room) peerChange(ctx context.Context, tx Tx, name string) (record.PeerChange, error) {
	all, err := tx.PeerChanges(ctx)
	if err != nil {
		return record.PeerChange{}, err
	}
	if i := slices.IndexFunc(all, func(p record.PeerChange) bool { return p.Name == name }); i >= 0 {
		return all[i], nil
	}
	none := record.PeerChange{Name: name}
	return none, m.cfg.CheckPeer(none)
}

// usable refuses a change that no switch could use, or not this one, when it knows the peer.
func (m *Room) usable(c *record.PeerChange) error {
	if err := c.Check(); err != nil {
		return err
	}
	err := m.cfg.CheckPeer(*c)
	if errors.Is(err, authz.ErrNotFound) {
		err = m.cfg.Codes(c.ActionCodes)
	}
	if err != nil {
		return errCodes
	}
	return nil
}

func (m *Room) makePeer(ctx context.Context, c *mgmt.Call, in *makePeerRequest) (Peer, error) {
	change := record.PeerChange{Name: in.Body.Name}
	in.Body.into(&change)
	return m.keepPeer(ctx, c, &change, mgmt.In[Tx](c).InsertPeer)
}

func (m *Room) changePeer(ctx context.Context, c *mgmt.Call, in *changePeerRequest) (Peer, error) {
	change, err := m.peerChange(ctx, mgmt.In[Tx](c), in.Name)
	if err != nil {
		return Peer{}, err
	}
	in.Body.into(&change)
	return m.keepPeer(ctx, c, &change, mgmt.In[Tx](c).SetPeer)
}

// keepPeer keeps a change and shows the peer as it is with it.
func (m *Room) keepPeer(ctx context.Context, c *mgmt.Call, change *record.PeerChange,
	keep func(context.Context, record.PeerChange, time.Time) error) (Peer, error) {
	c.Object("peer " + change.Name)
	if err := m.usable(change); err != nil {
		return Peer{}, err
	}
	if err := keep(ctx, *change, c.At); err != nil {
		return Peer{}, err
	}
	list, err := m.peers(ctx, mgmt.In[Tx](c))
	i := slices.IndexFunc(list, func(p Peer) bool { return p.Name == change.Name })
	if err != nil || i < 0 {
		return Peer{}, errors.Join(err, authz.ErrNotFound)
	}
	return list[i], nil
}
