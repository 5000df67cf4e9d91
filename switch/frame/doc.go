// Package frame cuts a byte stream into length-prefixed frames, and builds frames for sending, within limits.
// It knows nothing of ISO 8583: a frame is a length, an optional header of opaque bytes, and a body.
//
// The one idea: a length is believed only after it was checked. It must be made of the digits its kind allows, lie
// between the limits, and nothing is allocated on its word alone; the buffer grows only as bytes really arrive.
//
// Headers differ by the kind of host, and with them how the header of an answer is made: echoed, its two addresses
// swapped (TPDU, BASE I), its status cleared (BASE24), or always the same. [Parse] names the kinds.
//
// A stream whose length was wrong cannot be resynchronised, so a [LengthError] is final. A length of zero is a
// keep-alive, which carries nothing and is not answered.
//
// Limits: bodies of [Limits].FrameBytesMin to FrameBytesMax bytes, never above [BytesMax].
package frame
