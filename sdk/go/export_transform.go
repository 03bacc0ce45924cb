//go:build wasip1 && wharf_transform

package wharf

import (
	"unsafe"

	"wharf/internal/abi"
)

// changed is an option of an event at 8, which lies at 12, or a failure at 8.
var changed [13]uint64

//go:wasmexport wharf:plugin/transformer@0.1.0#transform
func exportedTransform(received unsafe.Pointer) unsafe.Pointer {
	event := receivedEvent((*abi.Event)(received))
	abi.Taken()
	abi.Release()
	changed = [13]uint64{}
	area := unsafe.Pointer(&changed)
	result, failure := transform(event)
	switch {
	case failure != nil:
		*(*uint8)(area) = 1
		sendFailure(failure, (*abi.Failure)(unsafe.Add(area, 8)))
	case result != nil:
		*(*uint8)(unsafe.Add(area, 8)) = 1
		*(*abi.Event)(unsafe.Add(area, 12)) = abi.Event{
			ID:          abi.Sent(result.ID),
			Source:      abi.Sent(result.Source),
			Type:        abi.Sent(result.Type),
			Subject:     abi.SentIfAny(result.Subject),
			Time:        abi.SentIfAny(result.Time),
			ContentType: abi.SentIfAny(result.ContentType),
			Schema:      abi.SentIfAny(result.Schema),
			Extensions:  abi.SentList(abi.Attributes(result.Extensions)),
			Data:        abi.SentBytesIfAny(result.Data),
		}
	}
	return area
}
