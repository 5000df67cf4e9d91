// Package retail is the cryptography of card payments as pure functions: verification values, PIN blocks, PIN
// verification values, message authentication and the check values of keys. It keeps nothing. Keys and clear PINs
// come in and go out, so only the keystore may use it.
//
// The algorithms are those that public documents describe (ISO 9564-1 for PIN blocks, ISO 9797-1 for MACs, ISO/IEC
// 7813 for the track); each is held against published vectors in its test.
package retail
