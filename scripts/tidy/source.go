package tidy

import (
	"go/ast"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// checkSizes holds files, functions and lines to their limits.
func checkSizes(r *report, s *source) {
	limit, columns := fileLinesMax, columnsMax
	if s.test {
		columns = testColumnsMax
	}
	if s.test || onlyTables(s.syntax) {
		limit = dataLinesMax
	}
	switch count := len(s.lines); {
	case count > limit:
		r.add(s.path, 0, "file size", "%d lines, more than %d", count, limit)
	case count > fileLinesWarn && limit == fileLinesMax:
		r.add(s.path, 0, "file size", "%d lines: is it one idea?", count)
		r.findings[len(r.findings)-1].Warning = true
	}
	for i, line := range s.lines {
		if width := utf8.RuneCountInString(line) + 3*strings.Count(line, "\t"); width > columns {
			r.add(s.path, i+1, "line width", "%d columns, more than %d", width, columns)
		}
	}
	for _, declaration := range s.syntax.Decls {
		function, ok := declaration.(*ast.FuncDecl)
		if !ok || s.test {
			continue // a table of cases is long and simple
		}
		lines := s.files.Position(function.End()).Line - s.line(function) + 1
		if lines > funcLinesMax {
			r.add(s.path, s.line(function), "function size", "%s has %d lines, more than %d", function.Name.Name, lines, funcLinesMax)
		}
	}
}

// onlyTables tells whether a file declares no function.
func onlyTables(file *ast.File) bool {
	return !slices.ContainsFunc(file.Decls, func(d ast.Decl) bool {
		_, isFunction := d.(*ast.FuncDecl)
		return isFunction
	})
}

// checkSource looks for what must not be said in Go.
func checkSource(r *report, s *source) {
	if slices.Contains(vagueFiles, path.Base(s.path)) {
		r.add(s.path, 0, "file name", "name the file after what is in it")
	}
	for _, group := range s.syntax.Comments {
		for _, comment := range group.List {
			if unfinished.MatchString(comment.Text) {
				r.add(s.path, s.line(comment), "unfinished", "an unfinished mark needs the number of its issue")
			}
		}
	}
	ast.Inspect(s.syntax, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.SelectorExpr:
			checkSelector(r, s, node)
		case *ast.GoStmt:
			if !s.test && !ownerNear(s, node) {
				r.add(s.path, s.line(node), "goroutine", "say who waits for it: a comment with \"owned by\", or use WaitGroup.Go")
			}
		}
		return true
	})
}

// checkSelector judges x.Name: the clock, sleeping, and card numbers in clear.
func checkSelector(r *report, s *source, selector *ast.SelectorExpr) {
	name := selector.Sel.Name
	if name == "Reveal" && !s.test && revealers[s.folder] == "" {
		r.add(s.path, s.line(selector), "reveal", "%s may not reveal card numbers", s.folder)
	}
	qualifier, ok := selector.X.(*ast.Ident)
	if !ok || qualifier.Name != importName(s.syntax, "time") {
		return
	}
	switch {
	case slices.Contains([]string{"Now", "Since", "Until"}, name) && !s.test && slices.Contains(clockless, s.folder):
		r.add(s.path, s.line(selector), "clock", "%s has no clock: take the time as an argument", s.folder)
	case name == "Sleep" && importName(s.syntax, "testing/synctest") == "":
		r.add(s.path, s.line(selector), "sleep", "wait for a signal instead, or sleep in a synctest bubble")
	}
}

// importName is the name under which a file knows a package, or empty.
func importName(file *ast.File, imported string) string {
	for _, spec := range file.Imports {
		if spec.Path.Value != `"`+imported+`"` {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		return path.Base(imported)
	}
	return ""
}

// ownerNear looks for the owner on the line of the statement or just above it.
func ownerNear(s *source, node ast.Node) bool {
	at := s.line(node)
	return slices.ContainsFunc(s.syntax.Comments, func(group *ast.CommentGroup) bool {
		first, last := s.line(group), s.files.Position(group.End()).Line
		near := first == at || last == at-1
		return near && strings.Contains(group.Text(), "owned by")
	})
}
