package gateway

// mti reads a message type indicator: version, class, function, origin.
type mti string

const (
	classAuthorization = '1'
	classFinancial     = '2'
	classReversal      = '4'
	classNetwork       = '8'

	functionRequest = '0'
	functionAdvice  = '2'
)

func (m mti) valid(version byte) bool {
	return len(m) == 4 && m[0] == version && m[1] >= '1' && m[1] <= '8' && m[2] <= '7' && m[3] <= '5'
}

func (m mti) class() byte    { return m[1] }
func (m mti) function() byte { return m[2] }
func (m mti) repeat() bool   { return (m[3]-'0')&1 == 1 }

// answerable reports whether the sender waits for an answer: requests and advices are answered,
// answers and notifications are not.
func (m mti) answerable() bool { return m[2] == functionRequest || m[2] == functionAdvice }

// answer is the type of the answer: the function one up, and the origin without its repeat bit
// (0100 and 0101 are answered by 0110, 0421 by 0430).
func (m mti) answer() string {
	return string([]byte{m[0], m[1], m[2] + 1, m[3] &^ 1})
}
