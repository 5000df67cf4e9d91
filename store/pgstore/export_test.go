package pgstore

// Queued is how many batches wait for a committer.
func (s *Store) Queued() int { return len(s.jobs) }
