package mgmt

import (
	"bytes"
	_ "embed"
	"html/template"
	"reflect"
	"slices"
	"strings"
)

// pagePolicy lets the reference page bring its own style and nothing else.
const pagePolicy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("reference").Parse(pageText))

type pageRow struct {
	Method, Path, Summary, Roles, Audit string
	JWE                                 bool
	Status                              int
	Parameters                          []pageParameter
	Refusals                            []string
}

type pageParameter struct{ In, Name, Schema string }

type pageChannel struct {
	Name string
	Rows []pageRow
}

// page is the routing table for people: one file without scripts, readable offline.
func page(rows []*Bound) ([]byte, error) {
	var channels []pageChannel
	for _, b := range rows {
		at := slices.IndexFunc(channels, func(c pageChannel) bool { return c.Name == string(b.Channel) })
		if at < 0 {
			at = len(channels)
			channels = append(channels, pageChannel{Name: string(b.Channel)})
		}
		row := pageRow{Method: b.Method, Path: b.Path, Summary: b.Summary, Roles: strings.Join(b.Roles.names(), ", "),
			Audit: b.Audit, JWE: b.JWE, Status: b.status()}
		for _, p := range b.plan.parameters {
			row.Parameters = append(row.Parameters, pageParameter{p.in, p.name, b.in.FieldByIndex(p.index).Type.Kind().String()})
		}
		if b.plan.body != nil && b.plan.types == nil {
			row.Parameters = append(row.Parameters, bodyRows(b)...)
		}
		for _, code := range codesOf(b) {
			row.Refusals = append(row.Refusals, string(code))
		}
		channels[at].Rows = append(channels[at].Rows, row)
	}
	slices.SortStableFunc(channels, func(a, b pageChannel) int { return strings.Compare(a.Name, b.Name) })
	for _, c := range channels {
		slices.SortStableFunc(c.Rows, func(a, b pageRow) int { return strings.Compare(a.Path, b.Path) })
	}
	var out bytes.Buffer
	err := pageTemplate.Execute(&out, channels)
	return out.Bytes(), err
}

func bodyRows(b *Bound) []pageParameter {
	s := &schemas{all: object{}, types: map[string]reflect.Type{}}
	properties, _ := s.object(b.in.FieldByIndex(b.plan.body).Type)["properties"].(object)
	var rows []pageParameter
	for name, schema := range properties {
		kind, _ := schema.(object)["type"].(string)
		rows = append(rows, pageParameter{"body", name, kind})
	}
	slices.SortFunc(rows, func(a, b pageParameter) int { return strings.Compare(a.Name, b.Name) })
	return rows
}
