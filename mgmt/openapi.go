package mgmt

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"holdfast/authz/record"
	"holdfast/mgmt/problem"
	"holdfast/mgmt/strict"
)

type object = map[string]any

// document is the OpenAPI 3.1 description of the routing table. Every line of it comes from the rows and from the
// types, rules and notes of the requests and answers, so it cannot say what the door does not do.
func document(rows []*Bound, version string) ([]byte, error) {
	s := &schemas{all: object{}, types: map[string]reflect.Type{}}
	s.all["Problem"] = s.object(reflect.TypeFor[problem.Problem]())
	s.all["Encrypted"] = object{"type": "object", "required": []string{"payload"}, "additionalProperties": false,
		"properties": object{"payload": object{"type": "string", "description": "A compact JWE."}}}
	paths := object{}
	for _, b := range rows {
		item, ok := paths[b.Path].(object)
		if !ok {
			item = object{}
			paths[b.Path] = item
		}
		item[strings.ToLower(b.Method)] = s.operation(b)
	}
	return json.MarshalIndent(object{
		"openapi": "3.1.0",
		"info": object{"title": "Holdfast management API", "version": version,
			"license": object{"name": "Apache License 2.0", "identifier": "Apache-2.0"},
			"description": "Partners, users, KYC, balances and cards around an ISO 8583 authorization switch. " +
				"Amounts are whole minor units, times RFC 3339 in UTC. Unknown and repeated fields are refused."},
		"servers": []object{{"url": "/"}},
		"tags":    tags(rows),
		"paths":   paths,
		"components": object{"schemas": s.all, "securitySchemes": object{
			"session":     object{"type": "http", "scheme": "bearer", "description": "A session token of a cardholder or an operator."},
			"certificate": object{"type": "mutualTLS", "description": "A client certificate that we signed for the partner."}}},
	}, "", " ")
}

func tags(rows []*Bound) []object {
	var names []string
	for _, b := range rows {
		if !slices.Contains(names, string(b.Channel)) {
			names = append(names, string(b.Channel))
		}
	}
	slices.Sort(names)
	var all []object
	for _, n := range names {
		all = append(all, object{"name": n})
	}
	return all
}

func operationID(b *Bound) string {
	words := strings.FieldsFunc(b.Path, func(r rune) bool { return strings.ContainsRune("/{}-._", r) })
	for i, w := range words {
		words[i] = strings.ToUpper(w[:1]) + w[1:]
	}
	return strings.ToLower(b.Method) + strings.Join(words, "")
}

func (s *schemas) operation(b *Bound) object {
	op := object{"operationId": operationID(b), "summary": b.Summary, "tags": []string{string(b.Channel)},
		"responses": s.responses(b), "security": []object{}}
	switch {
	case b.Channel.mutual():
		op["security"] = []object{{"certificate": []string{}}}
	case b.Channel != Open:
		op["security"] = []object{{"session": []string{}}}
	}
	var notes []string
	if b.Roles != 0 {
		notes = append(notes, "For "+strings.Join(b.Roles.names(), ", ")+".")
	}
	if b.JWE {
		notes = append(notes, "Encrypted both ways.")
	}
	if b.Audit != "" {
		notes = append(notes, "Audited as "+b.Audit+".")
	}
	if notes != nil {
		op["description"] = strings.Join(notes, " ")
	}
	if parameters := s.parameters(b); parameters != nil {
		op["parameters"] = parameters
	}
	if b.plan.body != nil {
		op["requestBody"] = object{"required": true, "content": s.requestContent(b)}
	}
	return op
}

func (s *schemas) parameters(b *Bound) []object {
	var all []object
	for _, p := range b.plan.parameters {
		f := b.in.FieldByIndex(p.index)
		all = append(all, object{"name": p.name, "in": p.in, "required": p.required, "schema": s.ruled(f.Type, p.rule)})
	}
	if b.idempotent() {
		all = append(all, object{"name": headerReuse, "in": "header", "required": false,
			"description": "The same key and body get the same answer for 24 hours.",
			"schema":      object{"type": "string", "pattern": "^[A-Za-z0-9_-]{8,64}$"}})
	}
	if b.Channel != Open {
		all = append(all,
			object{"name": "Encrypted-Request", "in": "header", "required": b.JWE,
				"schema": object{"type": "string", "enum": []string{"true", "false"}}},
			object{"name": "Public-Key", "in": "header", "required": b.JWE, "schema": object{"type": "string", "maxLength": 4096},
				"description": "Base64 of your registered RSA key, PEM or SPKI DER."})
	}
	return all
}

func (s *schemas) requestContent(b *Bound) object {
	content := object{}
	for _, t := range b.plan.types {
		content[t] = object{"schema": object{}}
	}
	if b.plan.types == nil {
		schema := s.of(b.in.FieldByIndex(b.plan.body).Type)
		if b.JWE {
			schema = object{"$ref": "#/components/schemas/Encrypted", "description": "Inside: " + nameOf(schema)}
		}
		content["application/json"] = object{"schema": schema}
	}
	return content
}

func nameOf(schema object) string {
	ref, _ := schema["$ref"].(string)
	return ref[strings.LastIndexByte(ref, '/')+1:]
}

func (s *schemas) responses(b *Bound) object {
	ok := object{"description": http.StatusText(b.status())}
	switch {
	case b.out == reflect.TypeFor[None]():
	case b.out == reflect.TypeFor[Raw]():
		ok["content"] = object{"*/*": object{"schema": object{}}}
	default:
		schema := s.of(b.out)
		if b.JWE {
			schema = object{"$ref": "#/components/schemas/Encrypted", "description": "Inside: " + nameOf(schema)}
		} else if b.Channel != Open {
			schema = object{"anyOf": []object{schema, {"$ref": "#/components/schemas/Encrypted"}}}
		}
		ok["content"] = object{"application/json": object{"schema": schema}}
		if b.out.Implements(reflect.TypeFor[Sheet]()) {
			ok["content"].(object)["text/csv"] = object{"schema": object{"type": "string"}}
		}
	}
	all := object{fmt.Sprint(b.status()): ok}
	byStatus := map[int][]string{}
	for _, code := range codesOf(b) {
		status, _ := problem.Known(code)
		byStatus[status] = append(byStatus[status], string(code))
	}
	for status, codes := range byStatus {
		all[fmt.Sprint(status)] = object{"description": strings.Join(codes, ", "),
			"content": object{problem.ContentType: object{"schema": object{"$ref": "#/components/schemas/Problem"}}}}
	}
	return all
}

// codesOf are the refusals that follow from a row, and its own.
func codesOf(b *Bound) []problem.Code {
	codes := []problem.Code{problem.Overloaded, problem.Internal, problem.Validation}
	if b.Channel != Open {
		codes = append(codes, problem.Unauthenticated, problem.PublicKey)
	}
	if b.Channel.mutual() {
		codes = append(codes, problem.CertificateNeeded)
	}
	if b.Roles != 0 || b.Channel.mutual() {
		codes = append(codes, problem.Forbidden)
	}
	if b.JWE {
		codes = append(codes, problem.EncryptionNeeded)
	}
	if b.Books != NoBooks {
		codes = append(codes, problem.Unavailable)
	}
	if b.writes() {
		codes = append(codes, problem.OutcomeUnknown)
	}
	if strings.Contains(b.Path, "{") {
		codes = append(codes, problem.NotFound)
	}
	if b.plan.body != nil {
		codes = append(codes, problem.MediaType)
		if b.Channel != Open {
			codes = append(codes, problem.Payload, problem.CannotDecrypt)
		}
	}
	codes = append(codes, problem.BodyTooLarge, problem.RateLimited)
	if b.idempotent() {
		codes = append(codes, problem.KeyReused, problem.KeyInFlight)
	}
	for _, own := range b.Refusals {
		codes = append(codes, problem.Code(own))
	}
	slices.Sort(codes)
	return slices.Compact(codes)
}

// schemas collects the types of the document by name.
type schemas struct {
	all   object
	types map[string]reflect.Type
}

var timeType = reflect.TypeFor[time.Time]()

func (s *schemas) of(t reflect.Type) object { return s.ruled(t, strict.Rule{}) }

// ruled is the schema of a type under a rule; a named struct becomes a component.
func (s *schemas) ruled(t reflect.Type, rule strict.Rule) object {
	switch {
	case t.Kind() == reflect.Pointer:
		return s.ruled(t.Elem(), rule)
	case t == timeType:
		return object{"type": "string", "format": "date-time"}
	case t == reflect.TypeFor[record.UUID]():
		return object{"type": "string", "format": "uuid"}
	case t.Kind() == reflect.Struct:
		return s.component(t)
	case t.Kind() == reflect.Slice && t.Elem().Kind() != reflect.Uint8:
		limit := int64(strict.ElementsMax)
		if rule.Max != nil {
			limit = *rule.Max
		}
		list := object{"type": "array", "maxItems": limit, "items": s.ruled(t.Elem(), strict.Rule{Enum: rule.Enum, Format: rule.Format})}
		if rule.Min != nil {
			list["minItems"] = *rule.Min
		}
		return list
	case t.Kind() == reflect.Map:
		return object{"type": "object", "additionalProperties": s.ruled(t.Elem(), strict.Rule{})}
	case t.Kind() == reflect.Bool:
		return object{"type": "boolean"}
	case t.Kind() >= reflect.Int && t.Kind() <= reflect.Uint64:
		return number(rule)
	}
	return text(rule)
}

func number(rule strict.Rule) object {
	schema := object{"type": "integer", "format": "int64"}
	if rule.Min != nil {
		schema["minimum"] = *rule.Min
	}
	if rule.Max != nil {
		schema["maximum"] = *rule.Max
	}
	return schema
}

func text(rule strict.Rule) object {
	schema := object{"type": "string"}
	switch {
	case rule.Enum != nil:
		schema["enum"] = rule.Enum
	case rule.Format != "":
		schema["pattern"] = "^(?:" + strict.Formats[rule.Format] + ")$"
	}
	if rule.Min != nil {
		schema["minLength"] = *rule.Min
	}
	if rule.Max != nil {
		schema["maxLength"] = *rule.Max
	}
	return schema
}

// component puts a struct among the components and refers to it. Two types of one name would be one component,
// so the second takes its package's name in front.
func (s *schemas) component(t reflect.Type) object {
	name := t.Name()
	if name == "" {
		return s.object(t)
	}
	name = strings.ToUpper(name[:1]) + name[1:]
	name = strings.Map(func(r rune) rune {
		if strings.ContainsRune("[]/.,*", r) {
			return '_'
		}
		return r
	}, name)
	if other, taken := s.types[name]; taken && other != t {
		packageName := t.PkgPath()[strings.LastIndexByte(t.PkgPath(), '/')+1:]
		name = strings.ToUpper(packageName[:1]) + packageName[1:] + name
	}
	if _, done := s.types[name]; !done {
		s.types[name] = t
		s.all[name] = s.object(t)
	}
	return object{"$ref": "#/components/schemas/" + name}
}

// object is the schema of a struct. A field's tag note says in the document what its name and rule cannot.
func (s *schemas) object(t reflect.Type) object {
	properties, required := object{}, []string{}
	for _, f := range reflect.VisibleFields(t) {
		name, optional, ok := strict.Name(f)
		if !ok {
			continue
		}
		property := s.ruled(f.Type, strict.RuleOf(f))
		if note := f.Tag.Get("note"); note != "" {
			property["description"] = note
		}
		properties[name] = property
		if !optional {
			required = append(required, name)
		}
	}
	return object{"type": "object", "properties": properties, "required": required, "additionalProperties": false}
}
