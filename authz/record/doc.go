// Package record holds the nouns of the records and the rules that need nothing but them: who may be in which
// state, what leads from one state to another, what a field may contain, how a chain of audit records is hashed.
//
// It does no I/O and has no clock: a moment is an argument. The stores keep these nouns, the management API
// shows them, and neither adds a rule of its own.
//
// # States
//
//	user     ACTIVE <-> LOCKED -> REMOVED (terminal)
//	KYC      NOT_STARTED -> IN_PROGRESS -> ACCEPTED | REJECTED -> IN_PROGRESS (handed in again)
//	balance  ACTIVE <-> LOCKED (no debits) -> CLOSED (terminal, only at zero)
//	card     ORDERED -> PERSONALIZED -> INACTIVE -> ACTIVE, any -> REMOVED (terminal); a lock stands beside it
//	order    REQUESTED -> ACCEPTED -> PERSONALIZING -> REPORTED -> LINKED -> STORED -> DELIVERED -> ACTIVATED | REJECTED
//
// Source: the seed document first, then what its maker documents publicly, then our own decision; the comments
// on the rules say which where it is not the seed.
package record
