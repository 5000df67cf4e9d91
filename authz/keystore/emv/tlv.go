// Package emv reads chip data and computes what the issuer of a chip card computes: the keys of a card, the check of
// its cryptogram (ARQC) and the issuer's answer (ARPC). Names and structures are those of EMV 4.3, books 2 and 3.
//
// The functions take keys, so that only the keystore may use them. Cryptogram versions 10 and 18 of one scheme and
// 10, 11 and 14 (hexadecimal) of the other are served; other versions are refused, never guessed.
package emv

import "errors"

// Bounds of chip data. DE 55 has at most 255 bytes in most dialects.
const (
	DataMax = 1024 // bytes in all
	TagsMax = 64   // data objects
)

// ErrData says that chip data cannot be read or lacks what its cryptogram is made of. It never tells bytes.
var ErrData = errors.New("read chip data: it has a wrong form")

// Tag is a BER-TLV tag, its bytes as a number.
type Tag uint32

// The data objects that an issuer needs.
const (
	TagAmount        Tag = 0x9F02 // amount authorised, n 12
	TagOther         Tag = 0x9F03 // amount other, n 12
	TagCountry       Tag = 0x9F1A // terminal country
	TagTVR           Tag = 0x95   // terminal verification results
	TagCurrency      Tag = 0x5F2A // transaction currency
	TagDate          Tag = 0x9A   // transaction date
	TagType          Tag = 0x9C   // transaction type
	TagUnpredictable Tag = 0x9F37
	TagAIP           Tag = 0x82   // application interchange profile
	TagATC           Tag = 0x9F36 // application transaction counter
	TagIAD           Tag = 0x9F10 // issuer application data
	TagCryptogram    Tag = 0x9F26
	TagCryptogramIs  Tag = 0x9F27 // cryptogram information data
	TagSequence      Tag = 0x5F34 // PAN sequence number
	TagIssuerAuth    Tag = 0x91   // in the answer
)

// Objects are data objects by tag. The values are parts of what was parsed.
type Objects map[Tag][]byte

// Parse reads a list of primitive data objects. A constructed one (a template) is opened once: terminals wrap the
// list in template 77 or send it bare. A tag that comes twice, a length that goes beyond the data and more than
// [TagsMax] objects are refused with ErrData. Bytes 00 between objects are padding (EMV 4.3, book 3, annex B).
func Parse(data []byte) (Objects, error) {
	if len(data) > DataMax {
		return nil, ErrData
	}
	found := make(Objects, 24)
	if !found.add(data, true) {
		return nil, ErrData
	}
	return found, nil
}

func (o Objects) add(data []byte, outer bool) bool {
	for len(data) > 0 {
		if data[0] == 0 {
			data = data[1:]
			continue
		}
		constructed := data[0]&0x20 != 0
		tag, rest, ok := cutTag(data)
		if !ok {
			return false
		}
		value, rest, ok := cutValue(rest)
		if !ok {
			return false
		}
		data = rest
		if constructed {
			if !outer || !o.add(value, false) {
				return false
			}
			continue
		}
		if _, twice := o[tag]; twice || len(o) >= TagsMax {
			return false
		}
		o[tag] = value
	}
	return true
}

// cutTag takes a tag of one to three bytes.
func cutTag(data []byte) (Tag, []byte, bool) {
	tag := Tag(data[0])
	if data[0]&0x1f != 0x1f {
		return tag, data[1:], true
	}
	for i := 1; i < 3 && i < len(data); i++ {
		tag = tag<<8 | Tag(data[i])
		if data[i]&0x80 == 0 {
			return tag, data[i+1:], true
		}
	}
	return 0, nil, false
}

// cutValue takes a length of one to three bytes and the value.
func cutValue(data []byte) (value, rest []byte, ok bool) {
	if len(data) == 0 {
		return nil, nil, false
	}
	length, data := int(data[0]), data[1:]
	if length >= 0x80 {
		count := length - 0x80
		if count < 1 || count > 2 || len(data) < count {
			return nil, nil, false
		}
		length = 0
		for _, b := range data[:count] {
			length = length<<8 | int(b)
		}
		data = data[count:]
	}
	if length > len(data) {
		return nil, nil, false
	}
	return data[:length], data[length:], true
}

// Fixed is the value of a tag if it has exactly so many bytes.
func (o Objects) Fixed(tag Tag, size int) ([]byte, bool) {
	v, ok := o[tag]
	return v, ok && len(v) == size
}
