package pgstore

// Queued is how many batches wait for a committer.
func (s *Store) Queued() int { return len(s.jobs) }

// SplitAlways has every group split that can be, and is called before the first commit.
func (s *Store) SplitAlways() { s.splitMin = 0 }

// LockAlways has every commit take the locked way, and is called before the first of them.
func (s *Store) LockAlways() { s.lockAlways = true }
