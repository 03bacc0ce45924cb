package wharf_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"wharf"
	"wharf/wharftest"
)

type Order struct {
	Number int64   `json:"number"`
	Cents  int64   `json:"cents"`
	Note   *string `json:"note"`
	Lines  []Line  `json:"lines,omitempty"`
}

type Line struct {
	Article string `json:"article"`
}

func charge(ctx *wharf.Context, event wharf.Event[Order]) error {
	order := event.Data
	if order.Cents < 0 {
		return fmt.Errorf("order %d: %w", order.Number, wharf.Reject("it cannot cost less than nothing"))
	}
	if err := ctx.Bucket("orders").Add("cents", order.Cents); err != nil {
		return err
	}
	if _, err := ctx.Publish(wharf.Draft{Type: "order.charged", Subject: fmt.Sprint(order.Number), Data: order}); err != nil {
		return err
	}
	ctx.Info("charged in attempt %d", ctx.Attempt())
	if closed, _ := ctx.Config("closed"); closed == "true" {
		return wharf.RetryAfter(time.Minute, "the shop is closed")
	}
	if order.Number == 13 {
		deep()
	}
	return nil
}

func deep() { panic("no order has this number") }

func TestAHandlerStoresPublishesAndLogs(t *testing.T) {
	host := wharftest.New()
	if result := wharftest.Run(host, charge, "order.created", Order{Number: 7, Cents: 990}); result.Outcome != "ok" {
		t.Fatal(result)
	}
	published := host.Published[0]
	if host.KV["orders"]["cents"] != "990" || published.Subject != "7" || published.ContentType != "application/json" {
		t.Fatal(host.KV, host.Published)
	}
	if published.Data != `{"number":7,"cents":990,"note":null}` || host.Lines[0].Message != "charged in attempt 1" {
		t.Fatal(published.Data, host.Lines)
	}
}

func TestAnAttemptThatFailsLeavesNothing(t *testing.T) {
	for _, one := range []struct {
		prepare func(*wharftest.Host)
		order   Order
		outcome string
		says    string
		after   time.Duration
	}{
		{func(h *wharftest.Host) { h.Configuration["closed"] = "true" }, Order{Number: 1}, "retry", "the shop is closed", time.Minute},
		{func(h *wharftest.Host) { h.Denied = []string{"orders"} }, Order{Number: 1}, "retry", "bucket `orders`: not granted", -1},
		{func(h *wharftest.Host) { h.Denied = []string{"order.charged"} }, Order{Number: 1}, "retry", "not granted", -1},
		{func(h *wharftest.Host) {}, Order{Number: 1, Cents: -1}, "reject", "order 1: it cannot cost less than nothing", -1},
		{func(h *wharftest.Host) {}, Order{Number: 13}, "retry", "panic: no order has this number (wharf_test.go:", -1},
	} {
		host := wharftest.New()
		one.prepare(host)
		result := wharftest.Run(host, charge, "order.created", one.order)
		if result.Outcome != one.outcome || !strings.Contains(result.Reason, one.says) || result.After != one.after {
			t.Error(result, one.says)
		}
		if len(host.KV["orders"]) > 0 || len(host.Published) > 0 {
			t.Error(host.KV, host.Published)
		}
		if one.order.Number == 13 && !strings.Contains(host.Lines[len(host.Lines)-1].Message, "deep") {
			t.Error(host.Lines)
		}
	}
}

func TestWhatDoesNotFitIsRejectedWithItsPlace(t *testing.T) {
	for payload, says := range map[string]string{
		"":                                    "at `.`: unexpected end of JSON input",
		`{"number": 7, `:                      "at `.`: unexpected end of JSON input",
		`{"number": 7}`:                       "at `cents`: it is missing",
		`{"number": 7, "cents": null}`:        "at `cents`: it is missing",
		`{"number": 7, "cents": "many"}`:      "at `cents`: expected int64, got string",
		`{"number": 7, "cents": 1.5}`:         "at `cents`: expected int64, got number 1.5",
		`{"number":7,"cents":1,"lines":[{}]}`: "at `lines.[0].article`: it is missing",
	} {
		result := wharftest.Run(wharftest.New(), charge, "order.created", payload)
		if result.Outcome != "reject" || !strings.Contains(result.Reason, says) {
			t.Errorf("%s: %v", payload, result)
		}
	}
}

func TestBucketsDoWhatTheySay(t *testing.T) {
	host := wharftest.New()
	host.KV["default"] = map[string]string{"word": "w"}
	result := wharftest.Run(host, func(ctx *wharf.Context, event wharf.Event[[]byte]) error {
		kv := ctx.KV()
		first, err := kv.CompareAndSwap("s", nil, []byte("one"))
		second, err2 := kv.CompareAndSwap("s", nil, []byte("two"))
		_, err3 := kv.Increment("n", 2)
		sum, err4 := kv.Increment("n", 3)
		if err := errors.Join(err, err2, err3, err4, kv.SetJSON("a/1", 5), kv.Set("a/2", nil), kv.Delete("a/2")); err != nil {
			return err
		}
		var number int
		isThere, err := kv.GetJSON("a/1", &number)
		keys, err2 := kv.Keys("a/")
		exists, err3 := kv.Exists("a/2")
		if err := errors.Join(err, err2, err3); err != nil {
			return err
		}
		if !first || second || sum != 5 || !isThere || number != 5 || exists || strings.Join(keys, " ") != "a/1" || ctx.Now().Unix() != 1700000000 {
			return wharf.Reject("%v %v %v %v %v %v %v", first, second, sum, isThere, number, exists, keys)
		}
		return kv.Add("word", 1)
	}, "keys", nil)
	if result.Outcome != "retry" || result.Reason != "bucket `default`: the value under `word` is no integer" {
		t.Fatal(result)
	}
}

func TestABatchIsKeptIfAllEndedWell(t *testing.T) {
	total := func(ctx *wharf.Context, batch []*wharf.Item[int64]) error {
		for _, item := range batch {
			if item.Event.Data < 0 {
				item.Fail(wharf.Reject("less than nothing"))
			}
			if err := ctx.KV().Add("total", item.Event.Data); err != nil {
				return err
			}
		}
		return nil
	}
	host := wharftest.New()
	results := wharftest.RunBatch(host, total, "n", 1, -2, "\"three\"")
	if results[0].Outcome != "ok" || results[1].Outcome != "reject" || results[2].Outcome != "reject" || len(host.KV["default"]) > 0 {
		t.Fatal(results, host.KV)
	}
	if results := wharftest.RunBatch(host, total, "n", 1, 2); results[1].Outcome != "ok" || host.KV["default"]["total"] != "3" {
		t.Fatal(results, host.KV)
	}
	failing := func(ctx *wharf.Context, batch []*wharf.Item[int64]) error { panic("all of them") }
	if results := wharftest.RunBatch(host, failing, "n", 1, 2); results[1].Outcome != "retry" {
		t.Fatal(results)
	}
}

func TestATransformChangesOrDrops(t *testing.T) {
	halve := func(event *wharf.Event[int]) error {
		switch {
		case event.Data == 0:
			return wharf.Drop
		case event.Data%2 != 0:
			return wharf.Retry("%d is odd", event.Data)
		}
		event.Data /= 2
		event.Extensions["halved"] = "yes"
		return nil
	}
	changed, result := wharftest.RunTransform(halve, "n", 8)
	if changed.Data != "4" || changed.Extensions["halved"] != "yes" || result.Outcome != "ok" {
		t.Fatal(changed, result)
	}
	if _, result := wharftest.RunTransform(halve, "n", 0); result.Outcome != "dropped" {
		t.Fatal(result)
	}
	if _, result := wharftest.RunTransform(halve, "n", 7); result.Reason != "7 is odd" {
		t.Fatal(result)
	}
	looks := func(event *wharf.Event[map[string]int]) error { return nil }
	if kept, _ := wharftest.RunTransform(looks, "n", ` {"a" : 1} `); kept.Data != ` {"a" : 1} ` {
		t.Fatal(kept)
	}
}

func TestWhatAnswersRequestsIsAFunctionAndItsPanicAnAnswer(t *testing.T) {
	answer := func(request wharf.Request) wharf.Response {
		if request.Path() == "/deep" {
			panic("as asked")
		}
		return wharf.JSONResponse(200, map[string]any{"method": request.Method, "path": request.Path()})
	}
	response := wharf.Answer(answer, wharf.Request{Method: "GET", Target: "/a/b?c=d"})
	if response.Status != 200 || string(response.Body) != `{"method":"GET","path":"/a/b"}` || response.Fields["content-type"] != "application/json" {
		t.Error(response)
	}
	response = wharf.Answer(answer, wharf.Request{Target: "/deep"})
	if response.Status != 500 || strings.Contains(string(response.Body), "as asked") {
		t.Error(response.Status, string(response.Body))
	}
	if response := wharf.JSONResponse(200, func() {}); response.Status != 500 {
		t.Error(response.Status)
	}
}

func sign(ctx *wharf.Context, _ wharf.Event[any]) error {
	value, err := ctx.Secret("signing")
	if err != nil {
		return err
	}
	return ctx.KV().Set("bytes", []byte(fmt.Sprint(len(value))))
}

func TestASecretIsHeldWhereTheTestKeepsOne(t *testing.T) {
	host := wharftest.New()
	host.Secrets["signing"] = "whsec_1"
	if result := wharftest.Run(host, sign, "a", "{}"); result.Outcome != "ok" || host.KV["default"]["bytes"] != "7" {
		t.Fatal(result, host.KV)
	}
	host.Denied = []string{"signing"}
	if result := wharftest.Run(host, sign, "a", "{}"); result.Reason != "secret `signing`: not granted to this plugin" {
		t.Fatal(result)
	}
	if result := wharftest.Run(wharftest.New(), sign, "a", "{}"); result.Reason != "secret `signing`: there is no such secret" {
		t.Fatal(result)
	}
}
