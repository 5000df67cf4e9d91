package partners

import (
	"context"
	"net/http"

	"holdfast/mgmt"
)

// Peer is a network or simulator that may connect to this node, as the configuration has it, and its traffic since the
// node started. Links and InFlight are of this moment.
type Peer struct {
	Name      string `json:"name"`
	Address   string `json:"address"`
	Dialect   string `json:"dialect"`
	Framing   string `json:"framing"`
	SignOn    bool   `json:"requireSignOn"`
	Links     int64  `json:"links"`
	InFlight  int64  `json:"inFlight"`
	FramesIn  int64  `json:"framesIn"`
	FramesOut int64  `json:"framesOut"`
	Malformed int64  `json:"malformed"`
}

// Peers are all of this node's.
type Peers struct {
	Items []Peer `json:"items"`
}

func (m *Room) peersRoute() mgmt.Bound {
	route := row(http.MethodGet, "/admin/peers", mgmt.RolesAll, "", "The networks that may connect to this node, and their traffic")
	route.Books = mgmt.NoBooks
	return mgmt.Handle(route, func(context.Context, *mgmt.Call, *mgmt.None) (Peers, error) {
		return Peers{append([]Peer{}, m.cfg.Peers()...)}, nil
	})
}
