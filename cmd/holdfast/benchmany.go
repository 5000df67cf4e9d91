package main

import (
	"time"

	"holdfast/switch/load"
)

const (
	fullWarmUpMax  = 20 * time.Second // a switch that is slower than that is measured half cold
	fullWarmUpEach = 3                // times that each card is used before anything is measured, on average
	ratioTurns     = 2                // of one partner and of many
	manyFirst      = 500_000_000_000  // number of the first message to many partners
)

// measureFull runs the phases of the full stores, of which all is the length but for the warm-up.
func (b *bench) measureFull(all time.Duration) error {
	single := min(benchSingle, all/10)
	capacity, high, ratio := all/4, all/10, all/4
	if err := b.warmUp(b.Cards); err != nil {
		return err
	}
	most, err := b.closedPhases(single, capacity)
	if err != nil {
		return err
	}
	seventy, err := b.open("70 % of the capacity", max(1, benchShare*most), high)
	if err != nil {
		return err
	}
	b.report.high(&seventy)
	rate := b.Rate
	if rate == 0 {
		rate = max(1, benchShareFull*most)
	}
	if err := b.offered(rate, all-2*single-capacity-high-ratio); err != nil {
		return err
	}
	b.report.MemoryMiB = b.memory() // with the cards of one partner, before those of many are read
	if b.Partners == 0 {
		return nil
	}
	return b.compare(ratio / (2 * ratioTurns))
}

// warmUp lets the switch and the cache learn the cards.
func (b *bench) warmUp(cards int) error {
	step := min(benchWarmUp, time.Duration(b.Seconds)*time.Second/5)
	for took, done := time.Duration(0), uint64(0); done < uint64(cards*fullWarmUpEach) && took < fullWarmUpMax; took += step {
		r, err := b.closed("warm-up", b.Links, b.window(), step)
		if err != nil {
			return err
		}
		done += r.Approved
	}
	return nil
}

// compare measures one partner and many in turns, so that what else the machine does hits both.
func (b *bench) compare(step time.Duration) error {
	one := b.generator
	many, err := b.load(manyCard(b.Partners), manyCards(b.benchCmd), manyFirst)
	if err != nil {
		return err
	}
	b.generator = many
	if err := b.warmUp(manyCards(b.benchCmd)); err != nil {
		return err
	}
	rates := [2]float64{}
	for range ratioTurns {
		for i, turn := range []struct {
			name      string
			generator *load.Generator
		}{{"one partner", one}, {"many partners", many}} {
			b.generator = turn.generator
			r, err := b.closed(turn.name, b.Links, b.window(), step)
			if err != nil {
				return err
			}
			rates[i] += r.ApprovedPerSecond() / ratioTurns
		}
	}
	r := &b.report
	r.Partners, r.OnePerSecond, r.ManyPerSecond = b.Partners, places(rates[0], 0), places(rates[1], 0)
	if rates[1] > 0 {
		r.OnePartnerToMany = places(rates[0]/rates[1], 3)
	}
	return nil
}
