package client_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"holdfast/switch/client"
	"holdfast/switch/frame"
	"holdfast/switch/iso"
	"holdfast/switch/server"
)

func TestNetworkManagementInEveryDialect(t *testing.T) {
	t.Parallel()
	for dialect, format := range map[string]string{"iso87-ascii": "ascii4", "iso87-ascii-binbmp": "bin2+hdr=22", "iso87-bcd": "nac"} {
		h, _ := startHost(t, dialect, format, "127.0.0.1:0", approve)
		c := h.dial(client.Config{})
		ctx := context.Background()
		if err := errors.Join(c.SignOn(ctx), c.Echo(ctx), c.SignOff(ctx)); err != nil {
			t.Errorf("%s: %v", dialect, err)
		}
		h.mu.Lock()
		if got := fmt.Sprint(h.received); got != "[0800001 0800301 0800002]" {
			t.Errorf("%s: the host received %s", dialect, got)
		}
		h.mu.Unlock()
	}
}

func TestRefusedSignOn(t *testing.T) {
	t.Parallel()
	h, _ := startHost(t, "iso87-ascii", "bin2", "127.0.0.1:0", func(h *host, x *server.Exchange, m *iso.Message) {
		x.Reply(answerTo(h.t, m, map[int]string{39: "91"}))
	})
	var refused *client.RefusedError
	if err := h.dial(client.Config{}).SignOn(context.Background()); !errors.As(err, &refused) || refused.Code != "91" {
		t.Errorf("got %v", err)
	}
}

// Goal: answers find their requests whatever their order, though STANs repeat.
// Method: the host collects 64 requests, of which only pairs differ in DE 11 and each in one other identifier, and
// answers them backwards; the amount tells which answer belongs to which request.
func TestAnswersFindTheirRequests(t *testing.T) {
	t.Parallel()
	const total = 64
	var held []func()
	h, _ := startHost(t, "iso87-bcd", "bin2", "127.0.0.1:0", func(h *host, x *server.Exchange, m *iso.Message) {
		answer := answerTo(h.t, m, nil)
		if answer.Get(37) == "" {
			set(h.t, answer, map[int]string{37: "ASSIGNED0001"}) // by the host, where the request had none
		}
		if held = append(held, func() { x.Reply(answer) }); len(held) == total {
			for i := range held {
				held[total-1-i]()
			}
		}
	})
	c := h.dial(client.Config{})
	var sending sync.WaitGroup
	for i := range total {
		fields := map[int]string{4: fmt.Sprintf("%012d", i), 11: fmt.Sprintf("%06d", 1+i/8)}
		mti := "0100"
		switch i % 8 {
		case 1:
			fields[41] = "TERM0002"
		case 2:
			fields[32] = "123456"
		case 3:
			fields[7] = "1122213001"
		case 4:
			mti = "0120"
		case 5:
			mti = "0200"
		case 6:
			fields[37] = "RRN000000001"
		case 7:
			mti = "0401"
		}
		request := h.request(mti, fields)
		sending.Go(func() {
			answer, err := c.Send(context.Background(), request)
			if err != nil || answer.Get(4) != request.Get(4) || answer.MTI()[:2] != request.MTI()[:2] {
				t.Errorf("request %d: %v, %v", i, answer, err)
			}
		})
	}
	sending.Wait()
	if s := c.Stats(); s.Sent != total || s.Matched != total || s.Unsolicited != 0 || s.Dials != 1 {
		t.Errorf("%+v", s)
	}
}

// Goal: what answers nobody reaches OnMessage and harms nobody: late and second answers, messages of the host's own,
// frames that are no message.
func TestUnsolicitedMessages(t *testing.T) {
	t.Parallel()
	var late *server.Exchange
	var lateAnswer *iso.Message
	h, _ := startHost(t, "iso87-ascii", "ascii4", "127.0.0.1:0", func(h *host, x *server.Exchange, m *iso.Message) {
		switch link := h.links[0]; m.MTI() + m.Get(11) {
		case "0100000001":
			late, lateAnswer = x, answerTo(h.t, m, nil)
		case "0100000002":
			late.Reply(lateAnswer)
			link.Send(server.EncoderFunc(func(dst []byte) ([]byte, error) { return append(dst, "no message at all"...), nil }))
			link.Send(h.request("0800", map[int]string{70: "301"}))
			x.Reply(answerTo(h.t, m, nil))
			link.Send(answerTo(h.t, m, nil))
		case "0810000001":
			x.Silent()
		default:
			x.Reply(answerTo(h.t, m, nil))
		}
	})
	seen := make(chan string, 10)
	c := h.dial(client.Config{Timeout: 2 * time.Second, OnMessage: func(m *iso.Message) { seen <- m.MTI() + m.Get(11) }})
	if _, err := c.Send(context.Background(), h.request("0100", nil)); !errors.Is(err, client.ErrTimeout) {
		t.Errorf("no answer: %v", err)
	}
	if _, err := c.Send(context.Background(), h.request("0100", nil)); !errors.Is(err, client.ErrInFlight) {
		t.Errorf("the same request again: %v", err)
	}
	if _, err := c.Send(context.Background(), h.request("0110", nil)); !errors.Is(err, client.ErrNotRequest) {
		t.Errorf("an answer sent as a request: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if _, err := c.Send(ctx, h.request("0100", map[int]string{11: "000002"})); err != nil {
		t.Error(err)
	}
	if got := []string{<-seen, <-seen}; got[0] != "0800000001" || got[1] != "0110000002" {
		t.Errorf("unsolicited: %v", got)
	}
	if err := c.Notify(ctx, h.request("0810", map[int]string{39: "00"})); err != nil {
		t.Error(err)
	}
	if err := c.Echo(ctx); err != nil {
		t.Error(err)
	}
	cancel()
	if _, err := c.Send(ctx, h.request("0100", map[int]string{11: "000004"})); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if s := c.Stats(); s.Undecodable != 1 || s.Unsolicited != 2 || s.TimedOut != 1 {
		t.Errorf("%+v", s)
	}
}

func TestALostLinkWithAndWithoutReconnect(t *testing.T) {
	t.Parallel()
	h, stop := startHost(t, "iso87-ascii", "bin2", "127.0.0.1:0", func(h *host, x *server.Exchange, m *iso.Message) {
		if m.MTI() == "0100" {
			return // never answered: the drain's time-out cuts the link
		}
		approve(h, x, m)
	})
	once, again := h.dial(client.Config{}), h.dial(client.Config{Reconnect: true})
	ctx := context.Background()
	if err := errors.Join(once.SignOn(ctx), again.SignOn(ctx)); err != nil {
		t.Fatal(err)
	}
	var sending sync.WaitGroup
	for _, c := range []*client.Client{once, again} {
		sending.Go(func() {
			if _, err := c.Send(ctx, h.request("0100", nil)); !errors.Is(err, client.ErrClosed) {
				t.Errorf("in flight when the link was lost: %v", err)
			}
		})
	}
	for len(h.seen()) < 4 { // two sign-ons, two requests
		if err := once.Echo(ctx); err != nil {
			t.Fatal(err)
		}
		h.forget("0800301")
	}
	stop()
	sending.Wait()
	second, _ := startHost(t, "iso87-ascii", "bin2", h.addr, approve)
	if err := once.Echo(ctx); !errors.Is(err, client.ErrClosed) {
		t.Errorf("without Reconnect: %v", err)
	}
	if err := again.Echo(ctx); err != nil {
		t.Errorf("with Reconnect: %v", err)
	}
	if got := fmt.Sprint(second.seen()); got != "[0800001 0800301]" || again.Stats().Dials != 2 {
		t.Errorf("the second host received %s", got)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
	if err := again.Echo(ctx); !errors.Is(err, client.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// Goal: a link that ends together with its answers locks nothing up and leaks nothing.
// Method: the host hangs up after each batch of answers, many times over; goleak looks for what is left.
func TestAnswerAndEndTogether(t *testing.T) {
	t.Parallel()
	h, _ := startHost(t, "iso87-ascii", "bin2", "127.0.0.1:0", func(h *host, x *server.Exchange, m *iso.Message) {
		approve(h, x, m)
		if m.Get(11) == "000007" {
			h.mu.Lock()
			link := h.links[len(h.links)-1]
			h.mu.Unlock()
			link.Hangup()
		}
	})
	for range 100 {
		c := h.dial(client.Config{})
		var sending sync.WaitGroup
		for i := range 8 {
			request := h.request("0100", map[int]string{11: fmt.Sprintf("%06d", i)})
			sending.Go(func() {
				if _, err := c.Send(context.Background(), request); err != nil && !errors.Is(err, client.ErrClosed) {
					t.Errorf("send: %v", err)
				}
			})
		}
		sending.Wait()
		c.Close()
	}
}

func TestDialReportsWhatIsMissing(t *testing.T) {
	t.Parallel()
	dialect, err := iso.Builtin("iso87-ascii")
	if err != nil {
		t.Fatal(err)
	}
	const nobody = "127.0.0.1:1" // listens there
	for _, config := range []client.Config{{}, {Addr: nobody}, {Dialect: dialect}, {Addr: nobody, Dialect: dialect},
		{Addr: nobody, Dialect: dialect, Limits: frame.Limits{FrameBytesMax: 1 << 20}}} {
		if c, err := client.Dial(context.Background(), config); err == nil {
			c.Close()
			t.Errorf("Dial(%+v) succeeds", config)
		}
	}
}

// Goal: where answers have a DE 7 of their own, as in 2003, it does not tell which request they belong to; a clock that
// has moved on between the two must not cost an answer.
func TestAnswersWithTheirOwnTime(t *testing.T) {
	t.Parallel()
	h, _ := startHost(t, "cmf-2003", "bin2", "127.0.0.1:0", func(h *host, x *server.Exchange, m *iso.Message) {
		answer := m.Dialect().New("2810")
		answer.Copy(m, 11, 12)
		set(h.t, answer, map[int]string{7: "0101000000", 39: "8000"})
		x.Reply(answer)
	})
	c := h.dial(client.Config{Timeout: 2 * time.Second})
	if err := c.Echo(context.Background()); err != nil {
		t.Error(err)
	}
}
