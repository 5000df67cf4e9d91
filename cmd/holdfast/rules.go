package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"holdfast/authz"
	"holdfast/authz/money"
)

// lifeConfig says how long holds live: those to which all that it names applies.
type lifeConfig struct {
	MCC       string        `yaml:"mcc"`
	Estimated bool          `yaml:"estimated"`
	Channel   string        `yaml:"channel"`
	Credit    bool          `yaml:"credit"`
	Life      time.Duration `yaml:"life"`
	Restart   bool          `yaml:"restart"`
}

// toleranceConfig says how much more than authorized may be cleared.
type toleranceConfig struct {
	MCC      string         `yaml:"mcc"`
	Channel  string         `yaml:"channel"`
	Percent  int64          `yaml:"percent"`
	AtLeast  decimal        `yaml:"atLeast"`
	Currency money.Currency `yaml:"currency"`
}

// toleranceMax bounds a percentage, so that a slip of the pen does not let everything pass.
const toleranceMax = 100

// mccRange reads one category of merchants, or the first and the last of several. Nothing is all of them.
func mccRange(text string) (low, high string, err error) {
	if text == "" {
		return "", "", nil
	}
	low, high, several := strings.Cut(text, "-")
	if !several {
		high = low
	}
	for _, code := range []string{low, high} {
		if len(code) != 4 || strings.Trim(code, "0123456789") != "" {
			return "", "", fmt.Errorf("mcc %q is not four digits, or two such codes with a dash between them", text)
		}
	}
	if low > high {
		return "", "", fmt.Errorf("mcc %q ends before it begins", text)
	}
	return low, high, nil
}

// channelOf reads how a card is presented. Nothing is every way.
func channelOf(text string) (authz.Channel, error) {
	for _, c := range []authz.Channel{authz.ChannelPOS, authz.ChannelECommerce, authz.ChannelATM} {
		if c.String() == text {
			return c, nil
		}
	}
	if text == "" {
		return authz.ChannelUnknown, nil
	}
	return 0, fmt.Errorf("channel %q is not POS, ECOMMERCE or ATM", text)
}

func (c *lifeConfig) rule(peer string) (authz.LifeRule, error) {
	low, high, err := mccRange(c.MCC)
	channel, e := channelOf(c.Channel)
	if c.Life <= 0 || c.Life >= authz.LifeWindow {
		err = errors.Join(err, fmt.Errorf("life %v is not within 0 to %v", c.Life, authz.LifeWindow))
	}
	return authz.LifeRule{Peer: peer, MCCLow: low, MCCHigh: high, Estimated: c.Estimated, Channel: channel, Credit: c.Credit,
		Life: c.Life, Restart: c.Restart}, errors.Join(err, e)
}

func (c *toleranceConfig) rule(peer string) (authz.Tolerance, error) {
	low, high, err := mccRange(c.MCC)
	channel, e := channelOf(c.Channel)
	t := authz.Tolerance{Peer: peer, MCCLow: low, MCCHigh: high, Channel: channel, Percent: c.Percent}
	if c.Percent < 0 || c.Percent > toleranceMax {
		e = errors.Join(e, fmt.Errorf("percent %d is not within 0 to %d", c.Percent, toleranceMax))
	}
	switch {
	case (c.AtLeast == "") != c.Currency.IsZero():
		e = errors.Join(e, errors.New("atLeast and currency belong together"))
	case c.AtLeast != "":
		minor, wrong := c.AtLeast.minor(c.Currency)
		t.AtLeast, e = money.Amount{Minor: minor, Currency: c.Currency}, errors.Join(e, wrong)
	}
	return t, errors.Join(err, e)
}

// rules are what a peer's settings say of the lives of its holds and of its clearings: its own rows, then its network's. A
// peer that has tolerances of its own has no others.
func (c *peerSettings) rules(peer string) (lives []authz.LifeRule, tolerances []authz.Tolerance, err error) {
	for i := range c.HoldLives {
		l, e := c.HoldLives[i].rule(peer)
		if e != nil {
			return nil, nil, fmt.Errorf("holdLives, row %d: %w", i+1, e)
		}
		lives = append(lives, l)
	}
	if c.Network != "" {
		public, known := authz.NetworkLives(c.Network, peer)
		if !known {
			return nil, nil, fmt.Errorf("network %q is not visa, mastercard or amex", c.Network)
		}
		lives = append(lives, public...)
	}
	for i := range c.Tolerances {
		t, e := c.Tolerances[i].rule(peer)
		if e != nil {
			return nil, nil, fmt.Errorf("tolerances, row %d: %w", i+1, e)
		}
		tolerances = append(tolerances, t)
	}
	if c.Tolerances != nil {
		tolerances = append(tolerances, authz.Tolerance{Peer: peer}) // nothing beyond those
	}
	return lives, tolerances, nil
}

// rules are those of all peers, and behind them the usual tolerances.
func (cfg *config) rules() (lives []authz.LifeRule, tolerances []authz.Tolerance, err error) {
	add := func(peer string, c *peerSettings) {
		l, t, e := c.rules(peer)
		lives, tolerances, err = append(lives, l...), append(tolerances, t...), errors.Join(err, e)
	}
	for i := range cfg.Peers {
		add(cfg.Peers[i].Name, &cfg.Peers[i].Settings)
	}
	for i := range cfg.Listeners {
		add(cfg.Listeners[i].name(), &cfg.Listeners[i].Settings)
	}
	for i := range cfg.Links {
		add(cfg.Links[i].Listener.name(), &cfg.Links[i].Listener.Settings)
	}
	return lives, slices.Concat(tolerances, authz.Tolerances()), err
}
