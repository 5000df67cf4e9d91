package redisstore

import (
	"strconv"

	"holdfast/authz"
)

// encoder collects the arguments of a call in one string, of which each is a part: a batch has thousands,
// and one allocation each would cost more than the call.
type encoder struct {
	bytes []byte
	ends  []int
}

// newEncoder makes room for a number of arguments of the usual length.
func newEncoder(arguments int) *encoder {
	const usual = 14
	return &encoder{bytes: make([]byte, 0, usual*arguments), ends: make([]int, 0, arguments)}
}

func (e *encoder) number(n int64) {
	e.bytes = strconv.AppendInt(e.bytes, n, 10)
	e.end()
}

func (e *encoder) text(s string) {
	e.bytes = append(e.bytes, s...)
	e.end()
}

func (e *encoder) flag(is bool) {
	if is {
		e.text("1")
		return
	}
	e.text("0")
}

// field is the name of what is kept about a balance.
func (e *encoder) field(kind byte, id authz.BalanceID) {
	e.bytes = strconv.AppendInt(append(e.bytes, kind), int64(id), 10)
	e.end()
}

// record is what is kept of a hold in flight.
func (e *encoder) record(hold *authz.Hold) {
	e.bytes = append(strconv.AppendInt(append(e.bytes, 'p'), int64(hold.Balance), 10), ':')
	e.bytes = append(strconv.AppendInt(append(e.bytes, 'p'), int64(hold.Deposit), 10), ':')
	e.bytes = strconv.AppendInt(e.bytes, hold.Amount, 10)
	e.end()
}

func (e *encoder) end() { e.ends = append(e.ends, len(e.bytes)) }

// appendTo adds the arguments as pointers, which fit into an interface as they are.
func (e *encoder) appendTo(args []any) []any {
	all := string(e.bytes)
	parts := make([]string, len(e.ends))
	from := 0
	for i, to := range e.ends {
		parts[i] = all[from:to]
		args = append(args, &parts[i])
		from = to
	}
	return args
}
