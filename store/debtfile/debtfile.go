// Package debtfile keeps in a file which rows a node still has to undo. It implements [authz.Debts] for a node whose
// journal is its own, and for any node whose cache does not take the debt.
//
// A debt arises when the journal is slow or in doubt, so it cannot wait for the journal. It is appended to a file of
// its own and not synced: it outlives the process, killed in whatever way. It need not outlive the machine, whose
// sudden end leaves such a row held until it expires.
package debtfile

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"holdfast/authz"
)

// File is a ledger of debts. It is safe for concurrent use.
type File struct {
	path string

	mu    sync.Mutex
	file  *os.File
	owed  map[authz.ID]authz.PartnerID
	lines int // in the file
}

var _ authz.Debts = (*File)(nil)

// slack is how many lines that mean nothing any more the file may have before it is written anew.
const slack = 1 << 10

// Open reads what an earlier process has left, and makes the file when there is none.
func Open(path string) (*File, error) {
	f := &File{path: path, owed: map[authz.ID]authz.PartnerID{}}
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read what is owed: %w", err)
	}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		var sign rune
		var partner authz.PartnerID
		var row authz.ID
		if _, err := fmt.Sscanf(lines.Text(), "%c %d %d.", &sign, &partner, &row); err != nil {
			continue // cut off by the end of its process: nobody was told before it was whole
		}
		if sign == '+' {
			f.owed[row] = partner
		} else {
			delete(f.owed, row)
		}
	}
	return f, f.rewrite()
}

// rewrite makes a file of what is owed, and no more. The caller holds mu, or is alone.
func (f *File) rewrite() error {
	var b bytes.Buffer
	for row, partner := range f.owed {
		line(&b, '+', partner, row)
	}
	next := f.path + ".next"
	if err := os.WriteFile(next, b.Bytes(), 0o600); err != nil {
		return fmt.Errorf("write what is owed: %w", err)
	}
	file, err := os.OpenFile(next, os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open what is owed: %w", err)
	}
	if err := os.Rename(next, f.path); err != nil {
		return errors.Join(fmt.Errorf("replace what is owed: %w", err), file.Close())
	}
	if f.file != nil {
		_ = f.file.Close() // nothing of it is of use
	}
	f.file, f.lines = file, len(f.owed)
	return nil
}

// line ends in a full stop, so that one that was cut off is not taken for another number.
func line(b *bytes.Buffer, sign rune, partner authz.PartnerID, row authz.ID) {
	fmt.Fprintf(b, "%c %d %d.\n", sign, partner, row)
}

// Owe implements [authz.Debts]. It does not wait for a disk.
func (f *File) Owe(_ context.Context, partner authz.PartnerID, rows []authz.ID) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, row := range rows {
		f.owed[row] = partner
	}
	return f.append('+', partner, rows)
}

// Paid implements [authz.Debts].
func (f *File) Paid(_ context.Context, partner authz.PartnerID, rows []authz.ID) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var known []authz.ID
	for _, row := range rows {
		if _, ok := f.owed[row]; ok {
			known = append(known, row)
			delete(f.owed, row)
		}
	}
	if f.lines > 2*len(f.owed)+slack {
		return f.rewrite()
	}
	return f.append('-', partner, known)
}

func (f *File) append(sign rune, partner authz.PartnerID, rows []authz.ID) error {
	if len(rows) == 0 {
		return nil
	}
	var b bytes.Buffer
	for _, row := range rows {
		line(&b, sign, partner, row)
	}
	f.lines += len(rows)
	if _, err := f.file.Write(b.Bytes()); err != nil {
		return fmt.Errorf("append to %s: %w", filepath.Base(f.path), err)
	}
	return nil
}

// Pay has those paid that are below an id. It returns how many are not owed any more.
func (f *File) Pay(ctx context.Context, below authz.ID,
	pay func(ctx context.Context, partner authz.PartnerID, rows []authz.ID) (paid []authz.ID, err error)) (int, error) {
	f.mu.Lock()
	due := map[authz.PartnerID][]authz.ID{}
	for row, partner := range f.owed {
		if row < below {
			due[partner] = append(due[partner], row)
		}
	}
	f.mu.Unlock()
	ended := 0
	for _, partner := range slices.Sorted(maps.Keys(due)) {
		for rows := range slices.Chunk(due[partner], rowsMax) {
			paid, err := pay(ctx, partner, rows)
			if err == nil {
				err = f.Paid(ctx, partner, paid)
			}
			if err != nil {
				return ended, err
			}
			ended += len(paid)
		}
	}
	return ended, nil
}

// rowsMax is how many are paid at once.
const rowsMax = 250

// Close ends the use of the file. What is owed stays in it.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.file.Close()
}
