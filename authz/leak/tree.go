package leak

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
)

// Bounds of what is opened. Files that tests make are far below them.
const (
	memberBytesMax = 64 << 20
	fileBytesMax   = 1 << 30
)

// members are the parts of data that gzip or zlib compressed, wherever they begin. A part that is cut short counts as
// far as it goes. Compressed parts inside of compressed parts are not opened.
func members(data []byte) iter.Seq[[]byte] {
	type opener func(io.Reader) (io.Reader, error)
	zipped := func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }
	deflated := func(r io.Reader) (io.Reader, error) { return zlib.NewReader(r) }
	return func(yield func([]byte) bool) {
		for _, kind := range []struct {
			magic []byte
			open  opener
		}{{[]byte{0x1f, 0x8b, 8}, zipped}, {[]byte{0x78, 0x01}, deflated}, {[]byte{0x78, 0x9c}, deflated}, {[]byte{0x78, 0xda}, deflated}} {
			for from := 0; ; from++ {
				at := bytes.Index(data[from:], kind.magic)
				if at < 0 {
					break
				}
				from += at
				r, err := kind.open(bytes.NewReader(data[from:]))
				if err != nil {
					continue
				}
				part, _ := io.ReadAll(io.LimitReader(r, memberBytesMax)) // as far as it goes
				if len(part) > 0 && !yield(part) {
					return
				}
			}
		}
	}
}

// Tree searches every file under dir but those whose path below dir is in except, and the names of all. The findings
// are by path. A file that is removed while it is read does not count: whoever searches a folder in use does so again
// when it is not.
func (s *Searcher) Tree(dir string, except ...string) (map[string][]Finding, error) {
	found := map[string][]Finding{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		}
		below, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if slices.Contains(except, below) {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		all := s.Find([]byte(entry.Name()))
		if entry.Type().IsRegular() {
			text, err := read(path)
			if err != nil {
				return err
			}
			all = append(all, s.Find(text)...)
		}
		if len(all) > 0 {
			found[below] = all
		}
		return nil
	})
	return found, err
}

func read(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && info.Size() > fileBytesMax {
		err = fmt.Errorf("search %s: it has %d bytes", filepath.Base(path), info.Size())
	}
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return text, err
}
