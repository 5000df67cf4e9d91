// Package load sends authorization requests to a listener at a rate, and measures how long the answers take.
//
// # The one idea
//
// The load is open: message i is due at start + i/rate, whether the listener keeps up or not, and the latency of
// an answer counts from that moment. A generator that waits for a slow answer before it sends the next message
// would leave out exactly the messages that would have been slow. [Generator.Closed], which does wait, is there to
// find the rate that can be offered at all, and the latency of one message alone.
//
// # How it stays out of the way
//
// A 0100 is encoded once, with two values for each element that changes from message to message. Where the two
// encodings differ is where the element stands, so that a message is the copy of a template and a few patches. An
// answer is read the same way: the first one of each layout is decoded, later ones are recognised by the bytes in
// front of the card number, and only the number of the message (DE 37) and the action code (DE 39) are looked at.
//
// # Accounting
//
// Every message has a number, which is its retrieval reference number. An answer is matched by it, once: a second
// one is a duplicate, and one that belongs to no message of the link is foreign. What was due and never answered
// is unanswered, also when it could not even be sent.
//
// # Limits
//
// A link has at most 4096 messages in flight; further ones stay due, and their latency grows. A write carries at
// most 64 KiB. When the last message was due the answers have [Generator.Drain] to arrive. Timers of the system wake
// a sender up to a millisecond late; the latency includes that, and [Result.Late] tells how much it is.
package load
