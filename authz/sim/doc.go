// Package sim is a test of the decision path as a whole: from one seed it makes some days' worth of trouble in one
// process and in virtual time, and holds what comes out against a second bookkeeper.
//
// # What is real and what is not
//
// The authorizers (one, or two that share everything), the rules of the arbiter and the SQLite journal are the real
// ones. The cache of the balances is the real one of the embedded mode, behind a wrapper that makes it remote. Time, the
// network, the peer and all faults are simulated: every call takes a time of its own, so that nothing but the seed
// decides what comes before what.
//
// # What happens
//
// A peer lives through transactions of some cards: requests, twins on the other node, repeats, reversals in full and in
// part, before and after what they undo, advices, wrong PINs, cryptograms that are used twice. Meanwhile nodes are
// killed and started, the journal refuses, applies and then fails, applies too late or hangs, the cache is away, lies,
// forgets, is rewound, and cards are locked and unlocked. Then everything heals.
//
// # What is checked
//
// Each answer when it leaves: that its row is there, that it is in time, that it is the same as the one before. At the
// end: what each transaction may hold by what the peer was told, whether every approval and every decline for want of
// funds was possible, the invariants of the books, and that the rest of every balance can be spent, once.
// The bookkeeper knows what was sent and what was answered and shares no code with the switch.
//
// The tests are run by make sim SEED= RUNS=; a seed that fails does it again.
package sim
