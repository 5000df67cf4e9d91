package debtfile_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"holdfast/authz"
	"holdfast/store/debtfile"
)

func open(t *testing.T, path string) *debtfile.File {
	t.Helper()
	f, err := debtfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() }) // some tests have closed it
	return f
}

// left is what is owed to partner 1, which nobody pays.
func left(t *testing.T, f *debtfile.File, below authz.ID) (owed []authz.ID) {
	t.Helper()
	if _, err := f.Pay(t.Context(), below, func(_ context.Context, partner authz.PartnerID, rows []authz.ID) ([]authz.ID, error) {
		if partner != 1 {
			t.Errorf("of partner %d", partner)
		}
		owed = append(owed, rows...)
		return nil, nil
	}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(owed)
	return owed
}

const all = authz.ID(1<<63 - 1)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

// What is owed is there after the process has gone, also when its last line was cut off; what was paid is not.
func TestDebtsOutliveTheirProcess(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "owed")
	f := open(t, path)
	must(t, f.Owe(t.Context(), 1, []authz.ID{10, 20, 30}))
	must(t, f.Paid(t.Context(), 1, []authz.ID{20, 99}))
	text, err := os.ReadFile(path)
	must(t, err)
	must(t, os.WriteFile(path, append(text, "+ 1 4"...), 0o600))
	f = open(t, path)
	if got := left(t, f, all); !slices.Equal(got, []authz.ID{10, 30}) {
		t.Errorf("%d are owed", got)
	}
	if got := left(t, f, 30); !slices.Equal(got, []authz.ID{10}) {
		t.Errorf("%d are owed below 30", got)
	}
	must(t, f.Owe(t.Context(), 1, []authz.ID{40}))
	if got := left(t, open(t, path), all); !slices.Equal(got, []authz.ID{10, 30, 40}) {
		t.Errorf("%d are owed in the third life", got)
	}
}

// Only what was paid is forgotten, and an error stops the payer.
func TestPaid(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "owed")
	f := open(t, path)
	must(t, f.Owe(t.Context(), 1, []authz.ID{1, 2}))
	planted := errors.New("planted")
	if _, err := f.Pay(t.Context(), all, func(context.Context, authz.PartnerID, []authz.ID) ([]authz.ID, error) {
		return []authz.ID{1}, planted
	}); !errors.Is(err, planted) {
		t.Errorf("err %v", err)
	}
	n, err := f.Pay(t.Context(), all, func(context.Context, authz.PartnerID, []authz.ID) ([]authz.ID, error) {
		return []authz.ID{2}, nil
	})
	if n != 1 || err != nil {
		t.Errorf("%d paid (%v)", n, err)
	}
	for _, again := range []*debtfile.File{f, open(t, path)} {
		if got := left(t, again, all); !slices.Equal(got, []authz.ID{1}) {
			t.Errorf("%d are owed", got)
		}
	}
}

// The file does not grow for ever.
func TestFileIsBounded(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "owed")
	f := open(t, path)
	must(t, f.Owe(t.Context(), 1, []authz.ID{7}))
	for row := authz.ID(1000); row < 20_000; row++ {
		must(t, f.Owe(t.Context(), 1, []authz.ID{row}))
		must(t, f.Paid(t.Context(), 1, []authz.ID{row}))
	}
	if info, err := os.Stat(path); err != nil || info.Size() > 64<<10 {
		t.Errorf("%d bytes (%v)", info.Size(), err)
	}
	if got := left(t, open(t, path), all); !slices.Equal(got, []authz.ID{7}) {
		t.Errorf("%d are owed", got)
	}
}

// A file that cannot be read or written says so.
func TestFileThatCannotBe(t *testing.T) {
	t.Parallel()
	if _, err := debtfile.Open(filepath.Join(t.TempDir(), "none", "owed")); err == nil {
		t.Error("a file in no folder is opened")
	}
	if _, err := debtfile.Open(t.TempDir()); err == nil {
		t.Error("a folder is opened")
	}
	f := open(t, filepath.Join(t.TempDir(), "owed"))
	must(t, f.Close())
	if err := f.Owe(t.Context(), 1, []authz.ID{1}); err == nil {
		t.Error("a closed file takes a debt")
	}
}
