package records

import (
	"fmt"

	"holdfast/authz"
)

// posting selects the rows a that move the ledger themselves.
var posting = fmt.Sprintf("(a.kind IN (%d, %d) OR a.flags & 2 <> 0)", authz.Financial, authz.FinancialAdvice)

// toHolder selects the rows a that bring money to the cardholder.
var toHolder = fmt.Sprintf("a.tran IN (%d, %d, %d)", authz.Refund, authz.Deposit, authz.OriginalCredit)

func ofHolds() []invariant {
	return []invariant{
		{
			name:  "a hold is given back for exactly its amount",
			count: "SELECT count(*) FROM authorizations WHERE placed > 0",
			broken: `SELECT a.id, a.placed, a.held + coalesce(g.total, 0) FROM authorizations a LEFT JOIN
 (SELECT of_id, sum(amount) AS total FROM releases GROUP BY of_id) g
 ON g.of_id = a.id WHERE a.placed <> a.held + coalesce(g.total, 0) ORDER BY a.id`,
			text: "authorization %d placed %d, held and given back sum to %d",
		}, {
			name:  "a row has given back what it says",
			count: "SELECT count(*) FROM releases",
			broken: `SELECT a.id, a.given, coalesce(g.total, 0) FROM authorizations a LEFT JOIN
 (SELECT by_id, sum(amount) AS total FROM releases WHERE by_id <> of_id GROUP BY by_id) g
 ON g.by_id = a.id WHERE a.given <> coalesce(g.total, 0) ORDER BY a.id`,
			text: "authorization %d says it gave back %d, the releases sum to %d",
		}, {
			name:  "state and hold agree",
			count: "SELECT count(*) FROM authorizations",
			broken: fmt.Sprintf(`SELECT id, state, held FROM authorizations
WHERE state IN (%[1]d, %[2]d) AND held <= 0 OR state NOT IN (%[1]d, %[2]d) AND held <> 0
 OR state NOT IN (%[1]d, %[2]d, %[3]d, %[4]d, %[5]d, %[6]d) AND placed <> 0
 OR state NOT IN (%[1]d, %[7]d) AND expires_at <> 0 ORDER BY id`, authorized, captured, reversed, cleared, expired, replaced,
				promised),
			text: "authorization %d is in state %d with %d held",
		}, {
			name:  "what a row keeps is posted",
			count: "SELECT count(*) FROM authorizations a WHERE placed > 0 AND " + posting,
			broken: `SELECT a.id, a.held, coalesce(p.total, 0) FROM authorizations a LEFT JOIN steps s ON s.authorization_id = a.id
 LEFT JOIN (SELECT authorization_id, -sum(amount) AS total, balance_id FROM postings
  WHERE account = 'BALANCE' AND authorization_id <> 0 GROUP BY authorization_id, balance_id) p
 ON p.authorization_id = a.id AND p.balance_id = a.balance_id
WHERE CASE WHEN NOT ` + posting + ` THEN 0 WHEN ` + toHolder + ` THEN -a.held ELSE a.held - coalesce(s.company, 0) END
 <> coalesce(p.total, 0) ORDER BY a.id`,
			text: "authorization %d keeps %d, its postings sum to %d",
		}, {
			name:  "what counts towards limits is what is held or was posted",
			count: "SELECT count(*) FROM authorizations WHERE flags & 8 <> 0",
			broken: fmt.Sprintf(`SELECT id, used, held FROM authorizations
WHERE used > placed OR used > 0 AND (flags & 8 = 0 OR state NOT IN (%[1]d, %[2]d, %[3]d, %[4]d, %[5]d))
 OR flags & 8 <> 0 AND state IN (%[1]d, %[2]d) AND used < held ORDER BY id`, authorized, captured, cleared, expired, replaced),
			text: "authorization %d uses %d of the limits and has %d held",
		},
	}
}

func ofLives() []invariant {
	return []invariant{
		{
			name:  "COMPANY bears what a clearing leaves to it",
			count: "SELECT count(*) FROM steps WHERE company <> 0",
			broken: `SELECT s.authorization_id, s.company, coalesce(p.total, 0) FROM steps s LEFT JOIN
 (SELECT o.authorization_id, -sum(o.amount) AS total FROM postings o JOIN balances b ON b.id = o.balance_id
  WHERE o.account = 'BALANCE' AND b.kind = 'COMPANY' AND o.authorization_id <> 0 GROUP BY o.authorization_id) p
 ON p.authorization_id = s.authorization_id WHERE s.company <> coalesce(p.total, 0) ORDER BY s.authorization_id`,
			text: "authorization %d leaves %d to COMPANY, the postings sum to %d",
		}, {
			name:  "a life holds no more than was authorized and not cleared",
			count: "SELECT count(DISTINCT life_id) FROM steps",
			broken: fmt.Sprintf(`SELECT life, open, authorized - cleared FROM (SELECT coalesce(s.life_id, a.id) AS life,
 sum(CASE WHEN a.state = %d THEN a.held ELSE 0 END) AS open,
 sum(CASE WHEN a.kind IN (%d, %d) AND a.state <> %d THEN a.placed ELSE 0 END) AS authorized,
 sum(CASE WHEN a.kind = %d AND a.state = %d AND NOT `+toHolder+` THEN a.held - s.company ELSE 0 END) AS cleared,
 sum(CASE WHEN a.kind = %[5]d AND (s.parts = 0 OR s.part >= s.parts) THEN 1 ELSE 0 END) AS ends
 FROM authorizations a LEFT JOIN steps s ON s.authorization_id = a.id GROUP BY coalesce(s.life_id, a.id)) l
WHERE ends = 0 AND open > 0 AND open > authorized - cleared ORDER BY life`, authorized, authz.Authorization,
				authz.AuthorizationAdvice, replaced, authz.FinancialAdvice, captured),
			text: "life %d holds %d of %d",
		}, {
			name:  "a life ends with its last clearing",
			count: fmt.Sprintf("SELECT count(*) FROM authorizations WHERE kind = %d", authz.FinancialAdvice),
			broken: fmt.Sprintf(`SELECT a.id, s.life_id, a.held FROM authorizations a LEFT JOIN steps s ON s.authorization_id = a.id
WHERE a.state = %d AND a.phase NOT IN (%d, %d) AND NOT `+toHolder+` AND EXISTS (SELECT 1 FROM steps c JOIN authorizations x
  ON x.id = c.authorization_id WHERE c.life_id = coalesce(s.life_id, a.id) AND x.kind = %d AND x.tran NOT IN (%d, %d, %d)
  AND x.placed > 0 AND (c.parts = 0 OR c.part >= c.parts)) ORDER BY a.id`,
				authorized, authz.PhaseIncremental, authz.PhaseReplacement, authz.FinancialAdvice, authz.Refund, authz.Deposit,
				authz.OriginalCredit),
			text: "authorization %d of life %d still holds %d",
		}, {
			name:  "what nobody authorized is in the queue",
			count: "SELECT count(*) FROM exceptions",
			broken: fmt.Sprintf(`SELECT a.id, s.life_id, a.held FROM authorizations a JOIN steps s ON s.authorization_id = a.id
WHERE a.kind = %d AND a.state = %d AND NOT `+toHolder+` AND NOT EXISTS (SELECT 1 FROM exceptions x JOIN steps y
  ON y.authorization_id = x.authorization_id WHERE y.life_id = s.life_id AND x.kind = %d)
 AND NOT EXISTS (SELECT 1 FROM authorizations o LEFT JOIN steps y ON y.authorization_id = o.id
  WHERE coalesce(y.life_id, o.id) = s.life_id AND (o.kind NOT IN (%[1]d, %[4]d) AND o.placed > 0 OR o.kind = %[4]d))
ORDER BY a.id`,
				authz.FinancialAdvice, captured, authz.ForcePost, authz.Reversal),
			text: "clearing %d of life %d posted %d",
		},
	}
}
