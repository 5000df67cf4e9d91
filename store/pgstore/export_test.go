package pgstore

// Queued is how many batches wait for a committer.
func (s *Store) Queued() int { return len(s.jobs) }

// LockAlways has every commit take the locked way, and is called before the first of them.
func (s *Store) LockAlways() { s.lockAlways = true }
