// Package export_wharf_plugin_transformer is the probe's transform in Go, from wit/ alone; what it does is in tests/languages/README.md.
package export_wharf_plugin_transformer

import (
	"wit_component/wharf_plugin_types"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

type outcome = wit.Result[wit.Option[wharf_plugin_types.Event], wharf_plugin_types.Failure]

// Transform is called by the generated export.
func Transform(event wharf_plugin_types.Event) outcome {
	bend := ""
	for _, extension := range event.Extensions {
		if extension.Name == "bend" {
			bend = extension.Value
		}
	}
	switch bend {
	case "change":
		event.Subject = wit.Some("bent")
		event.Datacontenttype = wit.Some("text/plain")
		event.Extensions = append(event.Extensions, wharf_plugin_types.Attribute{Name: "mark", Value: "yes"})
		event.Data = wit.Some(append(append([]byte{}, event.Data.SomeOr(nil)...), " bent"...))
	case "drop":
		return wit.Ok[wit.Option[wharf_plugin_types.Event], wharf_plugin_types.Failure](wit.None[wharf_plugin_types.Event]())
	case "retry":
		retry := wharf_plugin_types.RetryRequest{AfterMs: wit.None[uint64](), Reason: "bent as asked"}
		return failed(wharf_plugin_types.MakeFailureRetry(retry))
	case "reject":
		return failed(wharf_plugin_types.MakeFailureReject("bent as asked"))
	case "uncaught":
		panic("uncaught as asked")
	}
	return wit.Ok[wit.Option[wharf_plugin_types.Event], wharf_plugin_types.Failure](wit.Some(event))
}

func failed(failure wharf_plugin_types.Failure) outcome {
	return wit.Err[wit.Option[wharf_plugin_types.Event]](failure)
}
