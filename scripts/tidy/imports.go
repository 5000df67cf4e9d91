package tidy

import (
	"path"
	"slices"
	"strconv"
	"strings"
)

// checkRoom holds a package to its row, its comment and its name.
func checkRoom(r *report, folder string, sources []*source) {
	if _, ok := rooms[folder]; !ok {
		r.add(folder, 0, "row", "the package has no row in the import table of scripts/tidy")
	}
	documented := false
	for _, s := range sources {
		if s.test {
			continue
		}
		documented = documented || s.syntax.Doc != nil
		want := path.Base(folder)
		if inside(folder, "cmd") || folder == "scripts/servers" {
			want = "main"
		}
		if got := s.syntax.Name.Name; got != want {
			r.add(s.path, s.line(s.syntax.Name), "name", "package %s in folder %s: name it %s", got, folder, want)
		}
	}
	if !documented {
		r.add(folder, 0, "comment", "no file has a package comment")
	}
}

// checkImports holds one file to the import table and the homes of libraries.
func checkImports(r *report, s *source) {
	for _, spec := range s.syntax.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue // the parser accepts no such import
		}
		ours, isOurs := strings.CutPrefix(imported, module+"/")
		switch {
		case isOurs && !s.test && !mayImport(s.folder, ours):
			r.add(s.path, s.line(spec), "import", "%s may not import %s", s.folder, ours)
		case !isOurs && !mayUse(s, imported):
			r.add(s.path, s.line(spec), "home", "%s has no home in %s", imported, s.folder)
		}
	}
}

// mayImport tells whether the row of room allows the import. Tests are free:
// they may need the other side of an interface. A room for tests may stand on
// another.
func mayImport(room, imported string) bool {
	if slices.Contains(testRooms, imported) && !slices.Contains(testRooms, room) {
		return false
	}
	allowed := rooms[room]
	return slices.Contains(allowed, imported) || slices.Contains(allowed, anything)
}

// mayUse tells whether a library may be imported by this file.
func mayUse(s *source, imported string) bool {
	home := ""
	for library := range homes {
		if inside(imported, library) && len(library) > len(home) {
			home = library
		}
	}
	if home != "" {
		return slices.Contains(homes[home], s.folder)
	}
	for _, library := range testLibraries {
		if inside(imported, library) {
			return s.test
		}
	}
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".") // only the standard library has no dot there
}
