package record_test

import (
	"testing"

	"holdfast/authz/record"
)

func TestCountryAlpha3(t *testing.T) {
	t.Parallel()
	for numeric, want := range map[string]string{"616": "POL", "004": "AFG", "894": "ZMB", "840": "USA", "": "", "000": "", "61": "", "6160": "",
		"POL": "", "999": ""} {
		if got := record.CountryAlpha3(numeric); got != want {
			t.Errorf("%q is %q, want %q", numeric, got, want)
		}
	}
}
