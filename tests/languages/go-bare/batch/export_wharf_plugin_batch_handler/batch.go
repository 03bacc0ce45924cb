// Package export_wharf_plugin_batch_handler is the probe's batch handler in Go, from wit/ alone; what it does is in tests/languages/README.md.
package export_wharf_plugin_batch_handler

import (
	"encoding/json"
	"fmt"
	"strconv"

	"wit_component/wasi_keyvalue_store"
	"wit_component/wharf_plugin_batch_handler"
	"wit_component/wharf_plugin_counters"
	"wit_component/wharf_plugin_publisher"
	"wit_component/wharf_plugin_types"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

type outcome = wit.Result[wit.Unit, wharf_plugin_types.Failure]
type outcomes = wit.Result[[]outcome, wharf_plugin_types.Failure]

// HandleBatch is called by the generated export.
func HandleBatch(batch []wharf_plugin_batch_handler.Item) outcomes {
	has := map[string]bool{}
	for _, item := range batch {
		has[item.Event.Type] = true
	}
	if has["probe.uncaught"] {
		panic("uncaught as asked")
	}
	if has["probe.fail-all"] {
		return wit.Err[[]outcome](retry(wit.None[uint64](), "all fail as asked"))
	}
	kv := wasi_keyvalue_store.Open("default").Ok()
	defer kv.Drop()
	told := []outcome{}
	for _, item := range batch {
		told = append(told, one(kv, item.Event))
	}
	if has["probe.publish"] {
		wharf_plugin_publisher.Publish(wharf_plugin_publisher.Draft{
			Type: "probe.batched",
			Data: wit.Some([]byte(strconv.Itoa(len(batch)))),
		}).Ok()
	}
	return wit.Ok[[]outcome, wharf_plugin_types.Failure](told)
}

func one(kv *wasi_keyvalue_store.Bucket, event wharf_plugin_types.Event) outcome {
	var number int64
	if err := json.Unmarshal(event.Data.SomeOr(nil), &number); err != nil {
		return failed(wharf_plugin_types.MakeFailureReject(err.Error()))
	}
	wharf_plugin_counters.Add(kv, "sum/"+event.Source, number).Ok()
	wharf_plugin_counters.Add(kv, "seen/"+event.Id, 1).Ok()
	switch event.Type {
	case "probe.append":
		key := "line/"
		for _, extension := range event.Extensions {
			if extension.Name == "partitionkey" {
				key += extension.Value
			}
		}
		line := kv.Get(key).Ok().SomeOr(nil)
		kv.Set(key, fmt.Appendf(append([]byte{}, line...), "%d,", number)).Ok()
	case "probe.reject":
		return failed(wharf_plugin_types.MakeFailureReject("rejected as asked"))
	case "probe.retry":
		return failed(retry(wit.Some[uint64](1), "again as asked"))
	}
	return wit.Ok[wit.Unit, wharf_plugin_types.Failure](wit.Unit{})
}

func retry(after wit.Option[uint64], reason string) wharf_plugin_types.Failure {
	return wharf_plugin_types.MakeFailureRetry(wharf_plugin_types.RetryRequest{AfterMs: after, Reason: reason})
}

func failed(failure wharf_plugin_types.Failure) outcome { return wit.Err[wit.Unit](failure) }
