// The probe's batch handler in Go; what it does is in tests/languages/README.md.
package main

import (
	"fmt"
	"time"

	"wharf"
)

func init() {
	wharf.Declare(wharf.Needs{Publish: []string{"probe.*"}, KV: []string{"default"}})
	wharf.OnBatch(probe)
}

func main() {}

func probe(ctx *wharf.Context, batch []*wharf.Item[int64]) error {
	has := map[string]bool{}
	for _, item := range batch {
		has[item.Event.Type] = true
	}
	if has["probe.uncaught"] {
		panic("uncaught as asked")
	}
	if has["probe.fail-all"] {
		return wharf.Retry("all fail as asked")
	}
	for _, item := range batch {
		if err := one(ctx, item); err != nil {
			return err
		}
	}
	if has["probe.publish"] {
		_, err := ctx.Publish(wharf.Draft{Type: "probe.batched", Data: len(batch)})
		return err
	}
	return nil
}

func one(ctx *wharf.Context, item *wharf.Item[int64]) error {
	event, kv := item.Event, ctx.KV()
	if err := kv.Add("sum/"+event.Source, event.Data); err != nil {
		return err
	}
	if err := kv.Add("seen/"+event.ID, 1); err != nil {
		return err
	}
	switch event.Type {
	case "probe.append":
		key := "line/" + event.Extensions["partitionkey"]
		line, err := kv.Get(key)
		if err != nil {
			return err
		}
		return kv.Set(key, fmt.Appendf(line, "%d,", event.Data))
	case "probe.reject":
		item.Fail(wharf.Reject("rejected as asked"))
	case "probe.retry":
		item.Fail(wharf.RetryAfter(time.Millisecond, "again as asked"))
	}
	return nil
}
