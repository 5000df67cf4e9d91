// Package client is the other side of a link: it dials a switch, signs on, sends messages and matches their answers.
// Replay, simulation and tests use it, and so will links that we open ourselves.
//
// There are two of it. [Client] speaks messages of a dialect, over moov's iso8583-connection. [Raw] speaks frames of
// any content, for replaying what no dialect would encode, and for load.
//
// # How an answer finds its request
//
// By the pair of message types (0100 and 0110 belong together, 0120 and 0130 to another exchange), DE 11, DE 7,
// DE 32, and DE 37 or else DE 41, without trailing blanks; without DE 7 where the profile says that answers have a time
// of their own. DE 11 alone is not enough: its numbers repeat. A switch may assign DE 37 where the request had none, so
// an answer is tried with its DE 37, with its DE 41, and with neither, until a pending request fits. An answer that fits
// none, or one that was answered already, is an unsolicited message.
//
// # What is done around the library
//
// Each message is one write under a deadline, and a started frame has a deadline too. Answers nobody waits for, and
// messages that do not decode, never reach the library, which would keep a goroutine for each. A caller who gives up
// returns at once, while the library's own call ends with its time-out; Close waits for those.
package client
