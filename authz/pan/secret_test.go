package pan_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"holdfast/authz/pan"
)

func TestSecretNeverPrints(t *testing.T) {
	t.Parallel()
	const planted = "7391842650"
	secret := pan.NewSecret(planted)
	nested := struct {
		s pan.Secret
		p *pan.Secret
		l []pan.Secret
		M map[string]pan.Secret
	}{secret, &secret, []pan.Secret{secret}, map[string]pan.Secret{"k": secret}}
	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T", "%t"} {
		fmt.Fprintf(&out, verb+" "+verb+" "+verb+"\n", secret, &secret, nested)
	}
	raw, err := json.Marshal(map[string]any{"a": secret, "b": nested})
	if err != nil {
		t.Fatal(err)
	}
	out.Write(raw)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", slog.Any("s", secret), slog.Any("n", nested))
	for _, form := range []string{planted, fmt.Sprintf("%x", planted), fmt.Sprintf("%X", planted), "37 33"} {
		if strings.Contains(out.String(), form) {
			t.Errorf("a secret shows as %q", form)
		}
	}
	if secret.Reveal() != planted || secret.IsZero() || !pan.NewSecret("").IsZero() || (pan.Secret{}).Reveal() != "" {
		t.Error("a secret is not what was put into it")
	}
}
