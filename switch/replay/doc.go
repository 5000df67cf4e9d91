// Package replay plays a trace: messages that were recorded or written down, and the answers that they must get.
//
// A trace is a text of one JSON object a line; its format is described in testdata/traces/README.md. [Read] checks
// all of it before anything is sent. [Play] sends it over TCP links to any listener, ours or another issuer's, and
// reports every difference between the answer that was expected and the one that came.
//
// # Fresh or as recorded
//
// A switch takes a message that it has seen for a repeat, so a trace can be sent unchanged only once. By default
// the dates and times, the STANs (DE 11) and the retrieval reference numbers (DE 37) are replaced, everywhere in
// the same way: what was equal stays equal, also inside the original data elements (DE 90, or DE 56 since 1993).
//
// # Limits
//
// Every wait has a timeout; every goroutine belongs to a link and has ended when Play returns. A [Trace] holds
// card numbers and does not print itself; a [Difference] holds text that may be shown.
package replay
