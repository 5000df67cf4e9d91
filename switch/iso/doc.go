// Package iso turns the bytes of one ISO 8583 message into a Message and back.
//
// # The one idea
//
// A dialect is data. What peers disagree about (how the message type, the bitmap, digits, text, lengths
// and track 2 are written, and which format an element has) stands in one small YAML file per dialect;
// the code knows only what all of them share. The built-in dialects are listed by [Names]; a user adds one by
// path with [Load]. The keys of such a file are described in dialects/README.md.
//
// # Strictness
//
// [Dialect.Decode] accepts a message only when every byte of it is accounted for: classes, lengths, length
// prefixes, padding nibbles and the end of the message are checked. A fault is a [FormatError], which names
// the element and the kind of fault and never a byte of its content. The elements before the fault stay
// readable, so that a peer can be answered.
//
// Private elements (47, 48, 60 to 63, 105 to 127) are opaque: their length is checked and their characters
// are not, because what a peer keeps in them must not fail the parse of the rest. Binary elements, element
// 55 among them, are opaque too.
//
// What is accepted encodes back to the same bytes. The one exception is the case of hexadecimal digits,
// which is accepted either way and written the way the dialect says.
//
// # Card data
//
// A [Message] holds card data in the clear and therefore does not print itself: every formatter shows the
// message type and the element numbers only. [Message.Describe] is the only way to text, and it works from a
// list of elements that may be shown.
//
// # Meaning
//
// A dialect also has a [Profile]: where values stand and whose form they have. The readers of meaning (amounts, times,
// originals, replacements, the point of service, the phase of a life) work through it, so that a caller needs no
// element number for what the editions and the networks do differently. They judge one element each; what a message
// must have, and what follows from it, is the gateway's to say.
//
// # What this package does not do
//
// It does not frame (that is switch/frame) and it does not know headers; a profile only names the framing.
package iso
