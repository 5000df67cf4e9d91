package webhooks

import (
	"net/http"

	"holdfast/mgmt"
)

// Routes are the room's rows of the routing table.
func Routes() []mgmt.Bound {
	read := func(path, summary string) mgmt.Route {
		return mgmt.Route{Method: http.MethodGet, Path: path, Channel: mgmt.Secure, Summary: summary}
	}
	write := func(method, path, audit, summary string, refusals ...string) mgmt.Route {
		return mgmt.Route{Method: method, Path: path, Channel: mgmt.Secure, Audit: audit, Summary: summary, Refusals: refusals}
	}
	made := write(http.MethodPost, "/secure/webhooks", "webhook.create", "Say where events are to be sent", "LIMIT_REACHED")
	made.Status = http.StatusCreated
	return []mgmt.Bound{
		mgmt.Handle(made, create),
		mgmt.Handle(read("/secure/webhooks", "Where events are sent"), list),
		mgmt.Handle(write(http.MethodPatch, "/secure/webhooks/{id}", "webhook.change", "Change or disable an endpoint",
			"VERSION_CONFLICT"), change),
		mgmt.Handle(write(http.MethodPost, "/secure/webhooks/{id}/secret", "webhook.rotate",
			"Change the secret; for a while both sign, the new one first", "VALIDATION_ERROR", "VERSION_CONFLICT"), rotate),
		mgmt.Handle(write(http.MethodPost, "/secure/webhooks/{id}/replay", "webhook.replay",
			"Send what the endpoint has missed: what was given up, and what came while it was disabled or not yet there"), replay),
		mgmt.Handle(read("/secure/events", "List events, the newest first"), listEvents),
		mgmt.Handle(read("/secure/events/{id}", "An event with every attempt to deliver it"), readEvent),
		mgmt.Handle(write(http.MethodPost, "/secure/events/{id}/resend", "webhook.resend", "Send an event again to an endpoint"), resend),
	}
}
