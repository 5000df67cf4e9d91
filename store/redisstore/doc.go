// Package redisstore keeps the fast view of the balances in Redis: the holds of the full mode, shared by
// several switch nodes. It implements [authz.Holds] on one node, on Sentinel and on Cluster.
//
// # The one idea
//
// A batch is one script call. The script ends the holds that were settled since the last call for the partner,
// learns the balances that came with them, decides the new holds in order, and then writes: the balances, and one
// record for each hold. Nothing that it writes can fail half-way for a reason that it could have read before,
// because a script does not roll back.
//
// The calls of all partners for one server share two connections, and each pipeline takes what has come while the
// last was under way. A caller that has waited for its time limit goes; the connection stays for the others, until
// the server has not answered for half a second. Meanwhile new calls are refused at once.
//
// # What is kept
//
// Two hashes a partner, whose hash tag {p<partner>} keeps them in one slot: the balances (truth, version,
// pending) and what is in flight. No card number and no tag of one is in a key or a value. Nothing expires by
// the clock of Redis. Amounts change only through HINCRBY and stay within 2^53-1, where Lua's numbers are exact.
//
// # What is authoritative
//
// The journal, always. Whatever is lost, rewound or damaged here is found unknown and taught again, or
// is refused by the journal and learned from its answer; see [Holds.Refresh] for what neither mends.
//
// An older version never replaces a newer one. An emptied cache knows no version, though, so it can be taught a balance
// that was read just before a commit whose own truth it was told before it was emptied. To close that, whoever teaches
// would have to read once more afterwards, for every balance that is taught; instead such a balance is behind by
// its version until it is used next, when the journal corrects it. [Holds.Inspect] shows it.
//
// # Unknown outcomes
//
// A call is never sent twice, but for NOSCRIPT, MOVED and ASK, which say that it did not run. A call whose reply does
// not come in time is [authz.ErrUnknown], and it may still run later. The holds of such a batch are owed: the next
// call for the partner first ends them, and leaves a mark for those that did not come yet, so that a late
// script finds its operation cancelled. A mark is left only for them: an operation that was answered may be
// placed again after it was settled, as the authorizer does with what the journal found stale. What is owed
// and not told dies with the process; then [Holds.Sweep] finds the holds. When more is owed than a process should
// remember, all that is kept of the partner is dropped instead: a truth that was not told must not stay a lie.
//
// # Debts
//
// A third hash of a partner has the rows that a node has answered otherwise and not undone yet: [Holds.Owe], before the
// answer leaves. Any node undoes what has been there for longer than a commit may take ([Holds.Pay]).
//
// # What is not kept
//
// No version of a card and no limit: the journal checks both exactly in every commit. A version here would spare a
// node that holds an old snapshot one refused commit, once for a change of a card, and would cost every hold a field
// to read and every change of a card a call to Redis that may fail.
package redisstore
