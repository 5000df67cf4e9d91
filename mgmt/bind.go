package mgmt

import (
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"holdfast/mgmt/problem"
	"holdfast/mgmt/strict"
)

// parameter is a field of a request that does not come with the body.
type parameter struct {
	in, name string // path, query or header
	index    []int
	rule     strict.Rule
	required bool
	position int // of a path parameter, its segment
}

// plan is how a request becomes a value of the handler's type.
type plan struct {
	in         reflect.Type
	parameters []parameter
	body       []int    // the field of the body, nil for none
	types      []string // content types of a raw body; nil for JSON
}

// planOf reads the tags of a request type and holds them against the path. Everything wrong with them is found at
// the start.
func planOf(in reflect.Type, path, method string) (*plan, error) {
	if in.Kind() != reflect.Struct {
		return nil, fmt.Errorf("the request type %v is no struct", in)
	}
	p := &plan{in: in}
	segments := strings.Split(path, "/")
	for _, f := range reflect.VisibleFields(in) {
		if f.Anonymous {
			continue
		}
		for _, source := range []string{"path", "query", "header"} {
			name, ok := f.Tag.Lookup(source)
			name, optional := strings.CutSuffix(name, ",omitempty")
			if !ok || optional && source == "path" && !slices.Contains(segments, "{"+name+"}") {
				continue
			}
			par := parameter{in: source, name: name, index: f.Index, rule: strict.RuleOf(f),
				required: source == "path", position: slices.Index(segments, "{"+name+"}")}
			if source == "path" && par.position < 0 {
				return nil, fmt.Errorf("the path has no {%s}", name)
			}
			p.parameters = append(p.parameters, par)
		}
		if f.Name == "Body" {
			if method == http.MethodGet || method == http.MethodDelete {
				return nil, fmt.Errorf("%s has no body", method)
			}
			p.body = f.Index
			if list, ok := f.Tag.Lookup("body"); ok {
				p.types = strings.Split(list, ",")
			}
		}
	}
	for _, s := range segments {
		named := func(par parameter) bool { return par.in == "path" && "{"+par.name+"}" == s }
		if strings.HasPrefix(s, "{") && !slices.ContainsFunc(p.parameters, named) {
			return nil, fmt.Errorf("no field takes %s", s)
		}
	}
	return p, nil
}

// accepts tells whether the content type is one of the plan's. A parameter other than charset=utf-8 is not.
func (p *plan) accepts(contentType string) bool {
	types := p.types
	if types == nil {
		types = []string{"application/json"}
	}
	name, parameters, _ := strings.Cut(strings.ToLower(contentType), ";")
	parameters = strings.TrimSpace(parameters)
	return slices.Contains(types, strings.TrimSpace(name)) && (parameters == "" || parameters == "charset=utf-8")
}

// bind makes the handler's value. A bad path parameter is an unknown path: whether a thing with that name is absent
// or cannot exist makes no difference to the caller.
func (p *plan) bind(r *http.Request, body []byte) (reflect.Value, *problem.Problem) {
	v := reflect.New(p.in)
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return v, problem.New(problem.Validation, problem.Field{In: "query", Rule: "must be well formed"})
	}
	var mistakes []problem.Field
	segments := strings.Split(r.URL.Path, "/")
	for _, par := range p.parameters {
		values := query[par.name]
		switch par.in {
		case "path":
			if strict.Parameter(v.Elem().FieldByIndex(par.index), par.rule, segments[par.position]) != "" {
				return v, problem.New(problem.NotFound)
			}
			continue
		case "header":
			values = r.Header.Values(par.name)
		default:
			delete(query, par.name)
		}
		switch {
		case len(values) > 1:
			mistakes = append(mistakes, problem.Field{In: par.in, Pointer: par.name, Rule: "must not be repeated"})
		case len(values) == 1:
			if wrong := strict.Parameter(v.Elem().FieldByIndex(par.index), par.rule, values[0]); wrong != "" {
				mistakes = append(mistakes, problem.Field{In: par.in, Pointer: par.name, Rule: wrong})
			}
		}
	}
	if len(query) > 0 {
		mistakes = append(mistakes, problem.Field{In: "query", Rule: "must have no unknown parameter"})
	}
	switch {
	case p.body == nil:
	case p.types != nil:
		v.Elem().FieldByIndex(p.body).SetBytes(body)
	default:
		mistakes = append(mistakes, strict.JSON(body, v.Elem().FieldByIndex(p.body).Addr().Interface())...)
	}
	if c, ok := v.Interface().(interface{ Check() []problem.Field }); ok && mistakes == nil {
		mistakes = c.Check()
	}
	if mistakes != nil {
		return v, problem.New(problem.Validation, mistakes...)
	}
	return v, nil
}
