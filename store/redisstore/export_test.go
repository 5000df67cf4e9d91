package redisstore

import "context"

// Flush tells what is owed now, and returns what went wrong with it.
func (h *Holds) Flush(ctx context.Context) error { return h.flush(ctx, true) }
