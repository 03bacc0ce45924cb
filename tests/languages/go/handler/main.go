// The probe's handler in Go; what it does is in tests/languages/README.md.
package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"wharf"
)

func init() {
	wharf.Declare(wharf.Needs{Publish: []string{"probe.*"}, KV: []string{"default", "ledger"}})
	wharf.On("probe.order", order)
	wharf.On("probe.*", probe)
}

func main() {}

type received = wharf.Event[[]byte]

type order_ struct {
	Number int64   `json:"number"`
	Cents  int64   `json:"cents"`
	Note   *string `json:"note"`
}

var counter int

func order(ctx *wharf.Context, event wharf.Event[order_]) error {
	_, err := ctx.Publish(wharf.Draft{
		Type:    "probe.ordered",
		Subject: fmt.Sprintf("order/%d", event.Data.Number),
		Data:    event.Data,
	})
	return err
}

func probe(ctx *wharf.Context, event received) error {
	scenario, isKnown := scenarios[strings.TrimPrefix(event.Type, "probe.")]
	if !isKnown {
		return wharf.Reject("the probe has no scenario %s", event.Type)
	}
	return scenario(ctx, event)
}

func answer(ctx *wharf.Context, event received, format string, arguments ...any) error {
	return ctx.KV().Set(event.ID, fmt.Appendf(nil, format, arguments...))
}

func answerJSON(ctx *wharf.Context, event received, value any) error {
	return ctx.KV().SetJSON(event.ID, value)
}

func shown(value []byte) string {
	if value == nil {
		return "none"
	}
	return string(value)
}

func orNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

var scenarios = map[string]func(*wharf.Context, received) error{
	"echo": func(ctx *wharf.Context, event received) error { return ctx.KV().Set(event.ID, event.Data) },
	"attributes": func(ctx *wharf.Context, event received) error {
		return answerJSON(ctx, event, map[string]any{
			"id": event.ID, "source": event.Source, "type": event.Type, "subject": orNull(event.Subject), "time": orNull(event.Time),
			"datacontenttype": orNull(event.ContentType), "dataschema": orNull(event.Schema), "extensions": event.Extensions,
		})
	},
	"delivery": func(ctx *wharf.Context, event received) error {
		return answerJSON(ctx, event, map[string]any{
			"id": ctx.DeliveryID(), "rule": ctx.Rule(), "attempt": ctx.Attempt(), "max_attempts": ctx.MaxAttempts(),
			"deadline_ms": ctx.Deadline().Milliseconds(),
		})
	},
	"publish":       publish,
	"publish-again": publishAgain,
	"publish-denied": func(ctx *wharf.Context, event received) error {
		return refused(ctx, event, wharf.Draft{Type: "elsewhere.event"})
	},
	"publish-invalid": func(ctx *wharf.Context, event received) error {
		return refused(ctx, event, wharf.Draft{Type: "probe.published", Extensions: map[string]string{"Not A Name": "x"}})
	},
	"publish-flood": func(ctx *wharf.Context, event received) error {
		for range 101 {
			if _, err := ctx.Publish(wharf.Draft{Type: "probe.published"}); err != nil {
				return err
			}
		}
		return nil
	},
	"half": func(ctx *wharf.Context, event received) error {
		_, err := ctx.Publish(wharf.Draft{Type: "probe.published"})
		if err := errors.Join(err, answer(ctx, event, "half")); err != nil {
			return err
		}
		return wharf.Reject("half done")
	},
	"kv-set-get": kvSetGet,
	"kv-delete":  kvDelete,
	"kv-list":    kvList,
	"kv-binary":  kvBinary,
	"kv-add": func(ctx *wharf.Context, event received) error {
		return errors.Join(ctx.KV().Add(event.ID+"/n", 5), ctx.KV().Add(event.ID+"/n", -2))
	},
	"kv-increment": kvIncrement,
	"kv-swap":      kvSwap,
	"kv-conflict": func(ctx *wharf.Context, event received) error {
		_, err := ctx.KV().Increment("conflicts", 1)
		return err
	},
	"kv-named": func(ctx *wharf.Context, event received) error {
		return ctx.Bucket("ledger").Set(event.ID, []byte("kept"))
	},
	"kv-denied": func(ctx *wharf.Context, event received) error {
		if err := ctx.Bucket("vault").Set(event.ID, []byte("x")); errors.Is(err, wharf.ErrDenied) {
			return answer(ctx, event, "denied")
		}
		return answer(ctx, event, "taken")
	},
	"retry": func(ctx *wharf.Context, event received) error {
		if ctx.Attempt() == 1 {
			return wharf.Retry("again: %s", ctx.DeliveryID())
		}
		return answer(ctx, event, "%d %s", ctx.Attempt(), ctx.DeliveryID())
	},
	"retry-after": func(ctx *wharf.Context, event received) error {
		if ctx.Attempt() == 1 {
			return wharf.RetryAfter(1500*time.Millisecond, "later")
		}
		return answer(ctx, event, "%d", ctx.Attempt())
	},
	"retry-always": func(ctx *wharf.Context, event received) error {
		return fmt.Errorf("attempt %d as asked", ctx.Attempt())
	},
	"reject": func(ctx *wharf.Context, event received) error { return wharf.Reject("%s", event.Data) },
	"uncaught": func(ctx *wharf.Context, event received) error {
		if err := answer(ctx, event, "half"); err != nil {
			return err
		}
		deep()
		return nil
	},
	"loop": func(ctx *wharf.Context, event received) error {
		for n := 0; ; n++ {
			counter = n
		}
	},
	"memory": func(ctx *wharf.Context, event received) error {
		var hoard [][]byte
		for {
			hoard = append(hoard, []byte(strings.Repeat("x", 1<<20)))
		}
	},
	"log": func(ctx *wharf.Context, event received) error {
		for level, name := range []string{"trace", "debug", "info", "warn", "error", "critical"} {
			ctx.Log(wharf.Level(level), "%s %s", name, event.Data)
		}
		return nil
	},
	"config": func(ctx *wharf.Context, event received) error {
		greeting, _ := ctx.Config("greeting")
		absent, isThere := ctx.Config("absent")
		if !isThere {
			absent = "none"
		}
		return answer(ctx, event, "%s %s", greeting, absent)
	},
	"clock": func(ctx *wharf.Context, event received) error { return answer(ctx, event, "%d", ctx.Now().Unix()) },
	"random": func(ctx *wharf.Context, event received) error {
		return answer(ctx, event, "%s", hex.EncodeToString(ctx.Random(16)))
	},
	"counter": func(ctx *wharf.Context, event received) error {
		counter++
		return answer(ctx, event, "%d", counter)
	},
}

func publish(ctx *wharf.Context, event received) error {
	first, err := ctx.Publish(wharf.Draft{
		Type:       "probe.published",
		Subject:    "first",
		Extensions: map[string]string{"mark": "a"},
		Data:       map[string]int{"n": 1},
	})
	if err != nil {
		return err
	}
	second, err := ctx.Publish(wharf.Draft{Type: "probe.published", Source: "elsewhere", Data: event.Data})
	if err != nil {
		return err
	}
	return answer(ctx, event, "%s %s", first, second)
}

func publishAgain(ctx *wharf.Context, event received) error {
	id, err := ctx.Publish(wharf.Draft{Type: "probe.published"})
	if err != nil {
		return err
	}
	if ctx.Attempt() == 1 {
		return wharf.Retry("%s", id)
	}
	return answer(ctx, event, "%s", id)
}

func refused(ctx *wharf.Context, event received, draft wharf.Draft) error {
	_, err := ctx.Publish(draft)
	switch {
	case errors.Is(err, wharf.ErrDenied):
		return answer(ctx, event, "denied")
	case errors.Is(err, wharf.ErrInvalid):
		return answer(ctx, event, "invalid")
	}
	return answer(ctx, event, "taken")
}

func kvSetGet(ctx *wharf.Context, event received) error {
	if err := ctx.KV().Set(event.ID+"/a", []byte("1")); err != nil {
		return err
	}
	a, err := ctx.KV().Get(event.ID + "/a")
	if err != nil {
		return err
	}
	b, err := ctx.KV().Get(event.ID + "/b")
	if err != nil {
		return err
	}
	return answer(ctx, event, "%s %s", shown(a), shown(b))
}

func kvDelete(ctx *wharf.Context, event received) error {
	key := event.ID + "/a"
	if err := errors.Join(ctx.KV().Set(key, []byte("1")), ctx.KV().Delete(key)); err != nil {
		return err
	}
	exists, err := ctx.KV().Exists(key)
	if err != nil {
		return err
	}
	value, err := ctx.KV().Get(key)
	if err != nil {
		return err
	}
	return answer(ctx, event, "%t %s", exists, shown(value))
}

func kvList(ctx *wharf.Context, event received) error {
	if err := errors.Join(ctx.KV().Set(event.ID+"/b", []byte("1")), ctx.KV().Set(event.ID+"/a", []byte("1"))); err != nil {
		return err
	}
	keys, err := ctx.KV().Keys(event.ID + "/")
	if err != nil {
		return err
	}
	return answer(ctx, event, "%s", strings.Join(keys, " "))
}

func kvBinary(ctx *wharf.Context, event received) error {
	if err := ctx.KV().Set(event.ID+"/bytes", event.Data); err != nil {
		return err
	}
	value, err := ctx.KV().Get(event.ID + "/bytes")
	if err != nil {
		return err
	}
	return ctx.KV().Set(event.ID, value)
}

func kvIncrement(ctx *wharf.Context, event received) error {
	if _, err := ctx.KV().Increment(event.ID+"/n", 2); err != nil {
		return err
	}
	sum, err := ctx.KV().Increment(event.ID+"/n", 3)
	if err != nil {
		return err
	}
	return answer(ctx, event, "%d", sum)
}

func kvSwap(ctx *wharf.Context, event received) error {
	var told []string
	for _, step := range [][2][]byte{{nil, []byte("one")}, {[]byte("zero"), []byte("two")}, {[]byte("one"), []byte("three")}} {
		swapped, err := ctx.KV().CompareAndSwap(event.ID+"/s", step[0], step[1])
		if err != nil {
			return err
		}
		told = append(told, fmt.Sprint(swapped))
	}
	return answer(ctx, event, "%s", strings.Join(told, " "))
}

func deep() { panic("uncaught as asked") }
