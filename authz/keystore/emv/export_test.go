package emv

import "holdfast/authz/keystore/retail"

// MACOf is the cryptogram of a session key, for a vector that gives its own derivation data.
func MACOf(session, data []byte) ([]byte, error) {
	mac, err := retail.MAC3Marked(session, data)
	return mac[:], err
}
