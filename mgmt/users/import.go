package users

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"

	"holdfast/authz"
	"holdfast/authz/record"
	"holdfast/mgmt"
	"holdfast/mgmt/problem"
	"holdfast/mgmt/strict"
)

// Bounds of one import. All of its users are registered in one transaction, which others must not wait long for.
const (
	importBytesMax = 512 << 10
	importLinesMax = 500
)

// importRequest has lines of JSON, each a [Registration], or CSV with a head that names its columns as the fields of
// one, those of the address as street, city, postCode and country. Which of both it is shows in its first character.
type importRequest struct {
	Body []byte `body:"text/csv,application/x-ndjson"`
}

// Report is what became of each line.
type Report struct {
	Created int          `json:"created"`
	Refused int          `json:"refused"`
	Lines   []LineReport `json:"lines" rule:"max=500"`
}

// LineReport is what became of one line. Lines count from 1, the head of CSV too.
type LineReport struct {
	Line   int             `json:"line"`
	User   authz.UserID    `json:"customerId,omitempty"`
	Code   problem.Code    `json:"code,omitempty"`
	Fields []problem.Field `json:"fields,omitempty"`
}

func importRoute(path string) mgmt.Route {
	return mgmt.Route{Method: http.MethodPost, Path: path, Channel: mgmt.Lifecycle, Audit: "user.import", BodyBytesMax: importBytesMax,
		Summary: "Register many users: what is wrong with a line is reported, and keeps no other line out"}
}

// entry is one line, as JSON.
type entry struct {
	line int
	json []byte
}

func importUsers(ctx context.Context, c *mgmt.Call, in *importRequest) (Report, error) {
	body, read := bytes.TrimPrefix(in.Body, []byte("\ufeff")), readCSV
	if bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) {
		read = readLines
	}
	entries, wrong := read(body)
	if wrong != "" {
		return Report{}, problem.Body("", wrong)
	}
	report := Report{Lines: []LineReport{}}
	for _, e := range entries {
		l, err := importOne(ctx, c, e)
		if err != nil {
			return report, err
		}
		if l.User != 0 {
			report.Created++
		} else {
			report.Refused++
		}
		report.Lines = append(report.Lines, l)
	}
	c.Object(strconv.Itoa(report.Created) + " users")
	return report, nil
}

// importOne registers the user of a line. The error is the store's; what is wrong with the line is in the report.
func importOne(ctx context.Context, c *mgmt.Call, e entry) (LineReport, error) {
	l := LineReport{Line: e.line}
	var r Registration
	if mistakes := strict.JSON(e.json, &r); mistakes != nil {
		l.Code, l.Fields = problem.Validation, mistakes
		return l, nil
	}
	u := r.user(c)
	switch err := mgmt.In[Tx](c).InsertUser(ctx, &u); {
	case err == nil:
		l.User = u.ID
	case record.Code(err) != "":
		p := problem.Of(err)
		l.Code, l.Fields = p.Code, p.Fields
	default:
		return l, err
	}
	return l, nil
}

const tooManyLines = "must have at most 500 lines"

// readLines finds the lines of JSON; empty ones do not count.
func readLines(body []byte) (entries []entry, wrong string) {
	n := 0
	for line := range bytes.Lines(body) {
		n++
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if entries = append(entries, entry{n, line}); len(entries) > importLinesMax {
			return nil, tooManyLines
		}
	}
	return entries, ""
}

var (
	columns        = []string{"firstName", "lastName", "email", "phone", "dateOfBirth", "nationality", "externalId"}
	addressColumns = []string{"street", "city", "postCode", "country"}
)

// readCSV makes JSON of each line, so that both forms are held to the same rules. An empty field is one left out.
func readCSV(body []byte) (entries []entry, wrong string) {
	r := csv.NewReader(bytes.NewReader(body))
	r.ReuseRecord = true
	head, err := r.Read()
	if err != nil {
		return nil, "must begin with a line that names the columns"
	}
	head = slices.Clone(head)
	for i, column := range head {
		if !slices.Contains(columns, column) && !slices.Contains(addressColumns, column) || slices.Contains(head[:i], column) {
			return nil, "must name known columns, each once"
		}
	}
	for {
		fields, err := r.Read()
		switch {
		case errors.Is(err, io.EOF):
			return entries, ""
		case err != nil:
			return nil, "must be CSV as in RFC 4180, each line with the columns of the head"
		case len(entries) == importLinesMax:
			return nil, tooManyLines
		default:
			line, _ := r.FieldPos(0)
			entries = append(entries, entry{line, asJSON(head, fields)})
		}
	}
}

func asJSON(head, fields []string) []byte {
	person, address := map[string]any{}, map[string]any{}
	for i, column := range head {
		switch {
		case fields[i] == "":
		case slices.Contains(addressColumns, column):
			address[column] = fields[i]
		default:
			person[column] = fields[i]
		}
	}
	if len(address) > 0 {
		person["address"] = address
	}
	text, err := json.Marshal(person)
	if err != nil {
		panic(err) // texts always encode
	}
	return text
}
