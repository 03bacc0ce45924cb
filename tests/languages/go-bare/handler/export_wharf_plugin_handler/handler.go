// Package export_wharf_plugin_handler is the probe's handler in Go, from wit/ alone; what it does is in tests/languages/README.md.
//
// What the host refuses where the probe does not expect it is a panic: Ok() of an error.
package export_wharf_plugin_handler

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"wit_component/wasi_clocks_wall_clock"
	"wit_component/wasi_config_store"
	"wit_component/wasi_keyvalue_atomics"
	"wit_component/wasi_keyvalue_store"
	"wit_component/wasi_logging_logging"
	"wit_component/wasi_random_random"
	"wit_component/wharf_plugin_counters"
	"wit_component/wharf_plugin_publisher"
	"wit_component/wharf_plugin_types"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

type outcome = wit.Result[wit.Unit, wharf_plugin_types.Failure]

// probe is one attempt.
type probe struct {
	event    wharf_plugin_types.Event
	delivery wharf_plugin_types.Delivery
	data     []byte
	kv       *wasi_keyvalue_store.Bucket
}

var counter int

// Handle is called by the generated export.
func Handle(event wharf_plugin_types.Event, delivery wharf_plugin_types.Delivery) outcome {
	p := probe{event, delivery, event.Data.SomeOr(nil), wasi_keyvalue_store.Open("default").Ok()}
	defer p.kv.Drop()
	what := strings.TrimPrefix(event.Type, "probe.")
	switch {
	case strings.HasPrefix(what, "kv-"):
		return p.bucket(what)
	case strings.HasPrefix(what, "publish"):
		return p.publish(what)
	case strings.HasPrefix(what, "retry"):
		return p.retry(what)
	}
	return p.other(what)
}

func ok() outcome { return wit.Ok[wit.Unit, wharf_plugin_types.Failure](wit.Unit{}) }

func (p probe) answer(format string, arguments ...any) outcome {
	p.kv.Set(p.event.Id, fmt.Appendf(nil, format, arguments...)).Ok()
	return ok()
}

func (p probe) answerJSON(value any) outcome {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return p.answer("%s", text)
}

func retryAfter(after wit.Option[uint64], format string, arguments ...any) outcome {
	request := wharf_plugin_types.RetryRequest{AfterMs: after, Reason: fmt.Sprintf(format, arguments...)}
	return wit.Err[wit.Unit](wharf_plugin_types.MakeFailureRetry(request))
}

func retry(format string, arguments ...any) outcome {
	return retryAfter(wit.None[uint64](), format, arguments...)
}

func reject(reason string) outcome {
	return wit.Err[wit.Unit](wharf_plugin_types.MakeFailureReject(reason))
}

func (p probe) get(key string) string { return string(p.kv.Get(key).Ok().SomeOr([]byte("none"))) }

func (p probe) bucket(what string) outcome {
	key := p.event.Id + "/"
	switch what {
	case "kv-set-get":
		p.kv.Set(key+"a", []byte("1")).Ok()
		return p.answer("%s %s", p.get(key+"a"), p.get(key+"b"))
	case "kv-delete":
		p.kv.Set(key+"a", []byte("1")).Ok()
		p.kv.Delete(key + "a").Ok()
		return p.answer("%t %s", p.kv.Exists(key+"a").Ok(), p.get(key+"a"))
	case "kv-list":
		p.kv.Set(key+"b", []byte("1")).Ok()
		p.kv.Set(key+"a", []byte("1")).Ok()
		return p.answer("%s", strings.Join(p.keys(key), " "))
	case "kv-binary":
		p.kv.Set(key+"bytes", p.data).Ok()
		p.kv.Set(p.event.Id, p.kv.Get(key+"bytes").Ok().Some()).Ok()
	case "kv-add":
		wharf_plugin_counters.Add(p.kv, key+"n", 5).Ok()
		wharf_plugin_counters.Add(p.kv, key+"n", -2).Ok()
	case "kv-increment":
		wasi_keyvalue_atomics.Increment(p.kv, key+"n", 2).Ok()
		return p.answer("%d", wasi_keyvalue_atomics.Increment(p.kv, key+"n", 3).Ok())
	case "kv-swap":
		swap := func(expected, value string) bool {
			if p.get(key+"s") != expected {
				return false
			}
			p.kv.Set(key+"s", []byte(value)).Ok()
			return true
		}
		return p.answer("%t %t %t", swap("none", "one"), swap("zero", "two"), swap("one", "three"))
	case "kv-conflict":
		wasi_keyvalue_atomics.Increment(p.kv, "conflicts", 1).Ok()
	case "kv-named":
		wasi_keyvalue_store.Open("ledger").Ok().Set(p.event.Id, []byte("kept")).Ok()
	case "kv-denied":
		vault := wasi_keyvalue_store.Open("vault")
		if vault.IsErr() && vault.Err().Tag() == wasi_keyvalue_store.Error_AccessDenied {
			return p.answer("denied")
		}
		return p.answer("taken")
	}
	return ok()
}

func (p probe) keys(prefix string) []string {
	var keys []string
	cursor := wit.None[uint64]()
	for {
		page := p.kv.ListKeys(cursor).Ok()
		for _, key := range page.Keys {
			if strings.HasPrefix(key, prefix) {
				keys = append(keys, key)
			}
		}
		if cursor = page.Cursor; cursor.IsNone() {
			return keys
		}
	}
}

func (p probe) publish(what string) outcome {
	plain := wharf_plugin_publisher.Draft{Type: "probe.published"}
	switch what {
	case "publish":
		first := wharf_plugin_publisher.Draft{
			Type:       "probe.published",
			Subject:    wit.Some("first"),
			Extensions: []wharf_plugin_types.Attribute{{Name: "mark", Value: "a"}},
			Data:       wit.Some([]byte(`{"n":1}`)),
		}
		second := wharf_plugin_publisher.Draft{
			Type:            "probe.published",
			Source:          wit.Some("elsewhere"),
			Datacontenttype: wit.Some("application/octet-stream"),
			Data:            wit.Some(p.data),
		}
		return p.answer("%s %s", wharf_plugin_publisher.Publish(first).Ok(), wharf_plugin_publisher.Publish(second).Ok())
	case "publish-again":
		id := wharf_plugin_publisher.Publish(plain).Ok()
		if p.delivery.Attempt == 1 {
			return retry("%s", id)
		}
		return p.answer("%s", id)
	case "publish-denied", "publish-invalid":
		if what == "publish-denied" {
			plain.Type = "elsewhere.event"
		} else {
			plain.Extensions = []wharf_plugin_types.Attribute{{Name: "Not A Name", Value: "x"}}
		}
		refused := wharf_plugin_publisher.Publish(plain)
		if refused.IsOk() {
			return p.answer("taken")
		}
		if refused.Err().Tag() == wharf_plugin_publisher.PublishError_Denied {
			return p.answer("denied")
		}
		return p.answer("invalid")
	}
	for range 101 {
		wharf_plugin_publisher.Publish(plain).Ok()
	}
	return ok()
}

func (p probe) retry(what string) outcome {
	switch {
	case what == "retry-always":
		return retry("attempt %d as asked", p.delivery.Attempt)
	case what == "retry" && p.delivery.Attempt == 1:
		return retry("again: %s", p.delivery.Id)
	case what == "retry":
		return p.answer("%d %s", p.delivery.Attempt, p.delivery.Id)
	case p.delivery.Attempt == 1:
		return retryAfter(wit.Some[uint64](1500), "later")
	}
	return p.answer("%d", p.delivery.Attempt)
}

func (p probe) order() outcome {
	var order struct {
		Number *int64  `json:"number"`
		Cents  *int64  `json:"cents"`
		Note   *string `json:"note"`
	}
	if err := json.Unmarshal(p.data, &order); err != nil {
		return reject(err.Error())
	}
	if order.Number == nil || order.Cents == nil {
		return reject("a member is missing")
	}
	text, err := json.Marshal(order)
	if err != nil {
		panic(err)
	}
	wharf_plugin_publisher.Publish(wharf_plugin_publisher.Draft{
		Type:    "probe.ordered",
		Subject: wit.Some(fmt.Sprintf("order/%d", *order.Number)),
		Data:    wit.Some(text),
	}).Ok()
	return ok()
}

func (p probe) attributes() outcome {
	orNull := func(text wit.Option[string]) any {
		if text.IsSome() {
			return text.Some()
		}
		return nil
	}
	extensions := map[string]string{}
	for _, extension := range p.event.Extensions {
		extensions[extension.Name] = extension.Value
	}
	return p.answerJSON(map[string]any{
		"id": p.event.Id, "source": p.event.Source, "type": p.event.Type, "subject": orNull(p.event.Subject),
		"time": orNull(p.event.Time), "datacontenttype": orNull(p.event.Datacontenttype),
		"dataschema": orNull(p.event.Dataschema), "extensions": extensions,
	})
}

func (p probe) other(what string) outcome {
	switch what {
	case "echo":
		p.kv.Set(p.event.Id, p.data).Ok()
	case "attributes":
		return p.attributes()
	case "delivery":
		return p.answerJSON(map[string]any{
			"id": p.delivery.Id, "rule": p.delivery.Rule, "attempt": p.delivery.Attempt,
			"max_attempts": p.delivery.MaxAttempts, "deadline_ms": p.delivery.DeadlineMs,
		})
	case "order":
		return p.order()
	case "half":
		wharf_plugin_publisher.Publish(wharf_plugin_publisher.Draft{Type: "probe.published"}).Ok()
		p.answer("half")
		return reject("half done")
	case "reject":
		return reject(string(p.data))
	case "uncaught":
		p.answer("half")
		panic("uncaught as asked")
	case "loop":
		for n := 0; ; n++ {
			counter = n
		}
	case "memory":
		for hoard := [][]byte{}; ; {
			hoard = append(hoard, []byte(strings.Repeat("x", 1<<20)))
		}
	case "log":
		for level, name := range []string{"trace", "debug", "info", "warn", "error", "critical"} {
			wasi_logging_logging.Log(uint8(level), "", fmt.Sprintf("%s %s", name, p.data))
		}
	case "config":
		value := func(key string) string { return wasi_config_store.Get(key).Ok().SomeOr("none") }
		return p.answer("%s %s", value("greeting"), value("absent"))
	case "clock":
		return p.answer("%d", wasi_clocks_wall_clock.Now().Seconds)
	case "random":
		return p.answer("%s", hex.EncodeToString(wasi_random_random.GetRandomBytes(16)))
	case "counter":
		counter++
		return p.answer("%d", counter)
	default:
		return reject("the probe has no such scenario")
	}
	return ok()
}
