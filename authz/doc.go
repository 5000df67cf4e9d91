// Package authz decides: may this card spend this amount now?
//
// # The one idea
//
// The committed row of the journal is the commit point. A hold without a row is an orphan that is
// given back; a row without an answer is found again by the peer's repeat or released by its
// reversal; an answer only reports a row. Nothing is repaired by editing a fact: the journal grows.
//
// # What is authoritative
//
// The [Journal] (and the cards and balances that it reads inside its transaction) is the truth.
// [Holds] is a cache that may lie, lag or vanish at any moment. A hold that it grants is confirmed by
// the journal, which refuses what the truth does not allow; a decline that it causes is confirmed the
// same way. After a refusal the cache learns the truth and the request is decided once more.
//
// # The path
//
// [Authorizer.Submit] gives a [Request] to the lane of its partner. A lane takes whatever has arrived
// when its previous step returns, so one request alone is not delayed and many share a commit:
//
//	snapshot of the card -> Verifier, of evidence -> Check (pure) -> Holds.Place -> Journal.Commit -> Decision
//
// Evidence (a track, chip data, a CVV2, a PIN) is verified only when all that comes before it has passed, and again for
// each snapshot. What it does to the card, a try more or a chip's counter used, is written with the row or not at all,
// so no answer about a PIN leaves before its try is counted.
//
// A partner has one lane. Where the cache is remote the next batch is held while the last commits, and two are at the
// journal at once unless they share a card: the messages of a card keep their order.
//
// How long each part took goes into the row ([Stages]), and what was checked is told from it again ([Facts]).
//
// # States of an authorization
//
//	AUTHORIZED --reversed in full--> REVERSED      a hold is open until released, cleared or expired
//	AUTHORIZED --in part-----------> AUTHORIZED    reversed or cleared: with a smaller hold
//	AUTHORIZED --cleared-----------> CLEARED       what was cleared is the clearing's own row, CAPTURED
//	AUTHORIZED --its time is over--> EXPIRED       by our own entry
//	AUTHORIZED --told otherwise----> REPLACED      an advice or a new total counts instead
//	PROMISED                                       a credit to come: ends like AUTHORIZED, without a hold
//	CAPTURED   --reversed----------> REVERSED      posted (0200, 0220); undone by a contra group
//	DECLINED, RECORDED                             no money moved
//
// The rows of one transaction are its life. What a life holds and has posted follows from its rows, in whatever
// order they came; what people must look at goes to a queue of exceptions ([Case]).
//
// # When we die
//
//	after                      left behind                  repaired by
//	hold, before commit        a hold in the cache only     the cache is rebuilt from the journal
//	commit, before response    an approved row              the repeat gets the same answer, a reversal releases
//	commit outcome unknown     maybe a row                  answered 9107; read back; a row found is released
//	                                                        by our own entry and its repeat is declined
//	answered 9107 or late,     a row that nobody asks for   noted as a debt before the answer left: any node, or
//	before it is undone                                     we when we start again, undo it
//	a reversal overtakes       a step of its card           the original that comes late is declined
//
// A debt ([Debts]) is the id of a row, and harmless: it is noted when the answer can no longer be an approval, a repeat
// that another node has told of the row meanwhile outweighs it, and a row is undone once. Noting it may delay an answer by
// a tenth of a second. Approvals and declines that are in time never meet it.
//
// # Limits
//
// A lane queues at most [Config].QueueMax requests and commits at most [Config].BatchMax at a time. Long before that
// a request that would wait beyond its deadline, or in a queue that stands, is answered "inoperative" at once, the
// newest first; what tells or undoes is taken. A request past its deadline is answered "issuer timed out" and never
// approved afterwards. The package has no clock and does no I/O of its own: time arrives in the request, everything
// else behind [Cards], [Holds] and [Journal].
package authz
