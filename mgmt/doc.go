// Package mgmt is the door of the management API: one routing table, and everything that happens to a request
// before and after its handler.
//
// # The one idea
//
// A [Route] is a row: method, path, channel, roles, encryption, audit action. [Handle] binds it to a handler with a
// request and an answer type. From the rows come the routes, the OpenAPI document, the reference page and the access
// tests. A route cannot exist without a row, and [New] refuses a row that is wrong, so what is not written down
// is not served.
//
// # The path of one request
//
//	id, headers, recover, log line     frame.go
//	a place at the channel's gate      limit.go     503 at once when it is full
//	who is it, may they                serve.go     401, 403, 429; asked anew for every request
//	the body, within its limit         serve.go     413, 415
//	decryption                         jwe/         400, four codes; bounded in number and in rate
//	typed value, strictly              bind.go      400 with places and rules, never a value; 404 for an impossible id
//	the same request again?            write.go     the kept answer; 409, 422
//	the handler, in its transaction    write.go     effect, audit record and kept answer commit together
//	the answer, encrypted if asked     serve.go
//
// # How to add a resource
//
// Make a room mgmt/NAME with its request and answer types, an interface of the few methods that it needs of a
// transaction, and a function Routes() []mgmt.Bound:
//
//	type Tx interface {
//		Card(ctx context.Context, partner authz.PartnerID, id authz.CardID) (record.Card, error)
//		LockCard(ctx context.Context, ...) error
//	}
//
//	type lockRequest struct {
//		Card authz.CardID `path:"cardId" rule:"min=1"`
//		Body struct {
//			ReasonCode int `json:"reasonCode" rule:"min=1 max=8"`
//		}
//	}
//
//	mgmt.Handle(mgmt.Route{Method: "POST", Path: "/secure/customers/{c}/cards/{cardId}/lock", Channel: mgmt.Secure,
//		Audit: "card.lock", Summary: "Lock a card"}, lock)
//
//	func lock(ctx context.Context, c *mgmt.Call, in *lockRequest) (mgmt.None, error) {
//		c.Object("card " + ...)
//		tx := mgmt.In[Tx](c)
//		...
//	}
//
// The caller's partner and user are in [Call]; every look-up takes them, so that a foreign object is as absent as one
// that does not exist. Return errors of the records as they are: package problem knows their codes. Then add the room to
// the routing table in cmd/holdfast, its row to scripts/tidy/tables.go, and its expectations to the access matrix in
// testdata/access.txt beside the wiring.
//
// # Rules
//
//   - A handler runs inside a transaction and waits for nothing but the store; slow work goes into the first half of
//     [HandlePrepared], news for caches into [Call.After].
//   - No error, log line or document holds a value that came with a request.
//   - Nobody queues at the door: who finds it full is told so.
package mgmt
