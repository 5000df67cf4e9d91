package frame

import "fmt"

// Fault says what is wrong with a length.
type Fault uint8

// The faults of a length, in the order in which they are looked for.
const (
	// Digits: a byte or nibble is not a digit of the length's kind, or a byte that must be zero is not.
	Digits Fault = iota + 1
	// Short: the length announces less than the header and the smallest body.
	Short
	// Long: the length announces more than the largest body.
	Long
	// End: the byte that must end the frame is not where the length says.
	End
)

// String names the fault.
func (f Fault) String() string {
	switch f {
	case Digits:
		return "is not made of digits"
	case Short:
		return "is below the minimum"
	case Long:
		return "is above the maximum"
	case End:
		return "does not lead to the end of the frame"
	}
	return "is wrong"
}

// LengthError reports a length that cannot be believed. The stream is unusable from there on, because nobody knows
// where the next frame starts. It never carries the bytes received: on a stream out of step they may be card data.
type LengthError struct {
	Format Format
	Fault  Fault
}

// Error says which kind of length was wrong, and how.
func (e *LengthError) Error() string {
	return fmt.Sprintf("read frame length: the %s length %s", e.Format, e.Fault)
}

// length decodes the number at the start of p, which holds at least lengthBytes bytes. Only plain digits count:
// no sign, no blank, no hexadecimal where decimals are due.
func (f Format) length(p []byte) (int, bool) {
	switch f.kind {
	case bin4:
		n := uint32(p[0])<<24 | uint32(p[1])<<16 | uint32(p[2])<<8 | uint32(p[3])
		return int(min(n, 1<<30)), true // an int may have 32 bits; any such number is far too long
	case bin3:
		return int(p[0])<<16 | int(p[1])<<8 | int(p[2]), true
	case bin2le:
		return int(p[1])<<8 | int(p[0]), true
	case bcd2:
		return digits(4, 10, func(i int) byte { return p[i/2] >> (4 * (1 - i%2)) & 0xF })
	case ascii3, ascii4, ascii5, ascii6:
		return digits(f.lengthBytes(), 10, func(i int) byte { return p[i] - '0' })
	case hex4:
		return digits(4, 16, func(i int) byte { return hexValue(p[i]) })
	case vmlh:
		return int(p[0])<<8 | int(p[1]), p[2] == 0 && p[3] == 0
	}
	return int(p[0])<<8 | int(p[1]), true
}

// digits reads count digits of the base; at gives the value of one, which is out of range when it is no digit.
func digits(count, base int, at func(int) byte) (n int, ok bool) {
	for i := range count {
		d := int(at(i))
		if d >= base {
			return 0, false
		}
		n = n*base + d
	}
	return n, true
}

func hexValue(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	}
	return 0xFF
}

// putLength writes n, which the kind can hold, over the lengthBytes bytes at the start of p.
func (f Format) putLength(p []byte, n int) {
	const upper = "0123456789ABCDEF"
	switch f.kind {
	case bin4:
		p[0], p[1], p[2], p[3] = 0, byte(n>>16), byte(n>>8), byte(n)
	case bin3:
		p[0], p[1], p[2] = byte(n>>16), byte(n>>8), byte(n)
	case bin2le:
		p[0], p[1] = byte(n), byte(n>>8)
	case bcd2:
		p[0] = byte(n/1000%10<<4 | n/100%10)
		p[1] = byte(n/10%10<<4 | n%10)
	case ascii3, ascii4, ascii5, ascii6:
		for i := f.lengthBytes() - 1; i >= 0; i-- {
			p[i] = '0' + byte(n%10)
			n /= 10
		}
	case hex4:
		p[0], p[1], p[2], p[3] = upper[n>>12&0xF], upper[n>>8&0xF], upper[n>>4&0xF], upper[n&0xF]
	case vmlh, bin2res:
		p[0], p[1], p[2], p[3] = byte(n>>8), byte(n), 0, 0
	default:
		p[0], p[1] = byte(n>>8), byte(n)
	}
}
