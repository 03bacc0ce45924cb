// The probe's transform in Go; what it does is in tests/languages/README.md.
package main

import "wharf"

func init() { wharf.OnTransform(bend) }

func main() {}

func bend(event *wharf.Event[[]byte]) error {
	switch event.Extensions["bend"] {
	case "change":
		event.Subject = "bent"
		event.ContentType = "text/plain"
		event.Extensions["mark"] = "yes"
		event.Data = append(event.Data, " bent"...)
	case "drop":
		return wharf.Drop
	case "retry":
		return wharf.Retry("bent as asked")
	case "reject":
		return wharf.Reject("bent as asked")
	case "uncaught":
		panic("uncaught as asked")
	}
	return nil
}
