//go:build wasip1

package wharf

import (
	"unsafe"

	"wharf/internal/abi"
	"wharf/internal/host"
)

func receivedEvent(event *abi.Event) host.Event {
	extensions := map[string]string{}
	for _, attribute := range abi.List[abi.Attribute](event.Extensions) {
		extensions[attribute.Name.String()] = attribute.Value.String()
	}
	return host.Event{
		ID:          event.ID.String(),
		Source:      event.Source.String(),
		Type:        event.Type.String(),
		Subject:     event.Subject.String(),
		Time:        event.Time.String(),
		ContentType: event.ContentType.String(),
		Schema:      event.Schema.String(),
		Extensions:  extensions,
		Data:        event.Data.Bytes(),
	}
}

func receivedItem(item *abi.Item) host.Item {
	return host.Item{Event: receivedEvent(&item.Event), Delivery: host.Delivery{
		ID:          item.Delivery.ID.String(),
		Rule:        item.Delivery.Rule.String(),
		Attempt:     item.Delivery.Attempt,
		MaxAttempts: item.Delivery.MaxAttempts,
		DeadlineMs:  item.Delivery.DeadlineMs,
	}}
}

func sendOutcome(failure *host.Failure, to *abi.Outcome) {
	*to = abi.Outcome{}
	if failure != nil {
		to.Failed = 1
		sendFailure(failure, &to.Failure)
	}
}

func sendFailure(failure *host.Failure, to *abi.Failure) {
	*to = abi.Failure{}
	payload := unsafe.Pointer(&to.Payload)
	if failure.Rejects {
		to.Rejects = 1
		*(*abi.Text)(payload) = abi.Sent(failure.Reason)
		return
	}
	if failure.AfterMs >= 0 {
		*(*uint8)(payload) = 1
		to.Payload[1] = uint64(failure.AfterMs)
	}
	*(*abi.Text)(unsafe.Pointer(&to.Payload[2])) = abi.Sent(failure.Reason)
}
