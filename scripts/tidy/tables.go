package tidy

import "strings"

// module is the name in go.mod, and so the first part of every import of ours.
const module = "holdfast"

// anything stands in a row for "all rooms but those that only tests may import".
const anything = "*"

// rooms is the import table: a package, and what it may import from our house.
// A package without a row fails; a row without a package waits for it.
var rooms = map[string][]string{
	"authz/money":    {},
	"authz/pan":      {},
	"authz/keystore": {"authz/keystore/emv", "authz/keystore/retail", "authz/pan"},
	"authz":          leaves,
	"authz/leak":     {},
	"authz/record":   with(leaves, "authz"),

	"switch/frame":          {},
	"switch/iso":            {"authz/money", "authz/pan", "switch/frame"},
	"switch/server":         {"switch/frame"},
	"switch/client":         {"switch/frame", "switch/iso"},
	"switch/gateway":        with(leaves, "authz", "switch/iso"),
	"switch/load":           {"switch/frame", "switch/iso"},
	"switch/replay":         {"switch/client", "switch/frame", "switch/iso"},
	"switch/simulate":       {"authz/money", "authz/pan", "switch/client", "switch/frame", "switch/iso"},
	"switch/wirelog":        {"switch/frame", "switch/iso"},
	"switch/iso/isotest":    {"switch/iso"},
	"switch/guess":          {"switch/frame", "switch/iso"},
	"authz/keystore/emv":    {"authz/keystore/retail"},
	"authz/keystore/retail": {},
	"authz/sim":             {},

	"switch/tlsfile":         {},
	"switch/tlsfile/tlstest": {},

	"store/arbiter":    with(leaves, "authz", "authz/record"),
	"store/records":    with(leaves, "authz", "authz/record"),
	"store/litestore":  with(leaves, "authz", "authz/record", "store/arbiter", "store/records"),
	"store/pgstore":    with(leaves, "authz", "authz/record", "store/arbiter", "store/records"),
	"store/debtfile":   {"authz"},
	"store/memholds":   with(leaves, "authz"),
	"store/redisstore": with(leaves, "authz"),
	"store/lifetest":   with(leaves, "authz", "authz/record", "store/arbiter"),
	"store/storetest":  with(leaves, "authz", "authz/keystore/emv", "authz/record", "store/lifetest", "store/records"),

	"mgmt/problem":      {"authz", "authz/record"},
	"mgmt/strict":       {"mgmt/problem"},
	"mgmt/jwe":          {"authz/keystore", "mgmt/problem"},
	"mgmt/ops":          {},
	"mgmt/pki":          {"authz", "authz/keystore", "authz/record"},
	"mgmt":              with(leaves, "authz", "authz/record", "mgmt/jwe", "mgmt/problem", "mgmt/strict"),
	"mgmt/authn":        with(leaves, "authz", "authz/record", "mgmt", "mgmt/jwe", "mgmt/pki", "mgmt/problem"),
	"mgmt/users":        room("mgmt/strict"),
	"mgmt/kyc":          room(),
	"mgmt/balances":     room(),
	"mgmt/partners":     room("mgmt/jwe"),
	"mgmt/mail":         with(leaves, "authz", "authz/record"),
	"mgmt/cards":        with(leaves, "authz", "authz/record", "mgmt", "mgmt/orders", "mgmt/problem"),
	"mgmt/orders":       with(leaves, "authz", "authz/record", "mgmt", "mgmt/problem"),
	"mgmt/transactions": with(leaves, "authz", "authz/record", "mgmt"),
	"mgmt/webhooks":     with(leaves, "authz", "authz/record", "mgmt"),
	"mgmt/sandbox":      with(leaves, "authz", "authz/record", "mgmt", "mgmt/problem"),

	"testdata/scenarios": {},
	"testdata/traces":    {},
	"testdata/worlds":    {},
	"cmd/holdfast":       {anything},
	"scripts/servers":    {},
	"scripts/tidy":       {},
	"scripts/planted":    {},
}

// leaves are the packages under authz that import nothing but each other.
var leaves = []string{"authz/money", "authz/pan", "authz/keystore"}

// testRooms may be imported by test files only, and by each other.
var testRooms = []string{"authz/leak", "store/lifetest", "store/storetest", "switch/iso/isotest", "switch/tlsfile/tlstest"}

// homes is where each outside library lives. A library covers its sub-packages,
// the longest row counts, and one without a row may not be imported at all. The
// standard library needs no row, but where there is one it counts.
var homes = map[string][]string{
	"github.com/moov-io/iso8583":              {"switch/iso", "switch/client"},
	"github.com/moov-io/iso8583-connection":   {"switch/client"},
	"github.com/moov-io/iso4217":              {"authz/money"},
	"modernc.org/sqlite":                      {"store/litestore"},
	"zombiezen.com/go/sqlite":                 {"store/litestore"},
	"database/sql":                            {"store/litestore"},
	"github.com/alecthomas/kong":              {"cmd/holdfast"},
	"github.com/HdrHistogram/hdrhistogram-go": {"switch/load"},
	"github.com/redis/go-redis":               {"store/redisstore"},
	"github.com/goccy/go-yaml":                {"switch/iso", "cmd/holdfast"},
	"github.com/jackc/pgx/v5":                 {"store/pgstore"},
	"github.com/gin-gonic/gin":                {"mgmt"},
	"github.com/go-jose/go-jose/v4":           {"mgmt/jwe"},
	"golang.org/x/crypto/argon2":              {"mgmt/authn"},
	"golang.org/x/sys/unix":                   {"cmd/holdfast"},
	"golang.org/x/time/rate":                  {"mgmt", "mgmt/jwe"},
	// It silently ran a statement twice after a lost connection.
	"github.com/jackc/pgx/v5/stdlib": {},
}

// testLibraries may be imported by any test file, and by no other.
var testLibraries = []string{
	"go.uber.org/goleak",
	"github.com/google/go-cmp",
	"pgregory.net/rapid",
	"github.com/anishathalye/porcupine",
	"github.com/getkin/kin-openapi",
}

// revealers may call pan.Number.Reveal, each for its reason.
var revealers = map[string]string{
	"authz/pan":       "defines it",
	"authz/keystore":  "encrypts and tags the digits, and judges the evidence of a card",
	"mgmt/cards":      "shows a card to its holder, inside an encrypted answer",
	"store/storetest": "signs for the chips of its cards",
	"switch/simulate": "puts the cards of a scenario on the wire",
	"cmd/holdfast":    "puts the demo's own cards on the wire",
}

// clockless packages take the time as an argument.
var clockless = []string{"authz", "authz/money", "authz/pan", "authz/record"}

// Sizes, in lines, and columns with a tab as four.
const (
	fileLinesWarn  = 400
	fileLinesMax   = 500
	dataLinesMax   = 900 // tests, and files that hold tables only
	funcLinesMax   = 70
	columnsMax     = 140
	testColumnsMax = 240 // a golden message stands on one line
)

// vagueFiles are names that tell nothing about what is inside.
var vagueFiles = []string{"types.go", "helpers.go", "helper.go", "util.go", "utils.go", "common.go", "misc.go"}

// testCards are numbers that pass Luhn and belong to nobody: published test
// numbers in full, and prefixes of our own test ranges.
var testCards = []string{
	"4111111111111111", "5555555555554444", "378282246310005", "6011111111111117", "3530111333300000",
	"999999", "400000",
}

// builtFolders are made by a build or a run, at the top of the house.
var builtFolders = []string{"bin", "data", "holdfast-data"}

// cardDataFolders hold published messages; their attribution is in NOTICE.
var cardDataFolders = []string{"/testdata/vectors/", "/testdata/fuzz/"}

// room is what a room of the management API may import, and what one of them needs beside it.
func room(more ...string) []string {
	return append(with(leaves, "authz", "authz/record", "mgmt", "mgmt/problem"), more...)
}

func with(list []string, more ...string) []string {
	return append(append([]string(nil), list...), more...)
}

// inside tells whether path is folder or below it.
func inside(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, folder+"/")
}
