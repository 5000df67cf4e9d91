package transactions

import (
	"encoding/json"
	"strings"
	"testing"

	"holdfast/authz/record"
)

// Goal: the merchant's name and place is shown where the message said it, and left out where not.
func TestTheMerchantsNameIsShown(t *testing.T) {
	t.Parallel()
	for acceptor, want := range map[string]string{"FROG SHOP LUBLIN POL": `"merchantName":"FROG SHOP LUBLIN POL"`, "": `"merchantIdentifier":"FROG","lastFour`} {
		text, err := json.Marshal(show(&record.Transaction{Merchant: "FROG", Acceptor: acceptor}))
		if err != nil || !strings.Contains(string(text), want) {
			t.Errorf("no %s in %s, %v", want, text, err)
		}
	}
}
