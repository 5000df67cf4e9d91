package main

import (
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// history is what was called when, and what came of it, while payments are made all the time.
type history struct {
	t     *testing.T
	began time.Time
	end   chan struct{}
	wg    sync.WaitGroup

	mu sync.Mutex

	operations []porcupine.Operation
}

func newHistory(t *testing.T) *history {
	return &history{t: t, began: time.Now(), end: make(chan struct{})}
}

// note makes a call and keeps what it was told.
func (h *history) note(call any, f func() string) {
	from := time.Since(h.began)
	told := f()
	to := time.Since(h.began)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.operations = append(h.operations, porcupine.Operation{Input: call, Output: told, Call: from.Nanoseconds(), Return: to.Nanoseconds()})
}

// payers is how many pay with a card on a node at once.
const payers = 2

// pay has a load card pay an amount on all nodes, over and over until judge is asked. Each payment is noted as call.
func (h *history) pay(s *site, nodes []*fullNode, card int, minor int64, call any) {
	h.t.Helper()
	number, err := loadCard(card)
	if err != nil {
		h.t.Fatal(err)
	}
	for i := range payers * len(nodes) {
		w := s.dial(h.t, nodes[i%len(nodes)])
		h.wg.Go(func() {
			for {
				select {
				case <-h.end:
					return
				default:
				}
				h.note(call, func() string { return w.must(h.t, s.message(h.t, s.payment(number, minor), "0100")).code })
			}
		})
	}
}

// judge ends the payments and holds all that was noted against a model. It counts the answers.
func (h *history) judge(model porcupine.Model) (seen map[string]int) {
	h.t.Helper()
	close(h.end)
	h.wg.Wait()
	result := porcupine.CheckOperationsTimeout(model, h.operations, 2*time.Minute)
	seen = map[string]int{}
	for _, op := range h.operations {
		seen[op.Output.(string)]++
	}
	h.t.Logf("%d calls: %v", len(h.operations), seen)
	if result != porcupine.Ok {
		h.t.Errorf("the history is %s", result)
	}
	return seen
}

// perCard has each card judged by itself.
func perCard(card func(call any) int) func([]porcupine.Operation) [][]porcupine.Operation {
	return func(history []porcupine.Operation) [][]porcupine.Operation {
		cards := map[int][]porcupine.Operation{}
		for _, op := range history {
			cards[card(op.Input)] = append(cards[card(op.Input)], op)
		}
		return slices.Collect(maps.Values(cards))
	}
}
