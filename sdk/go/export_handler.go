//go:build wasip1 && !wharf_batch && !wharf_transform && !wharf_http

package wharf

import (
	"unsafe"

	"wharf/internal/abi"
)

var handlerOutcome abi.Outcome

//go:wasmexport wharf:plugin/handler@0.1.0#handle
func exportedHandle(received unsafe.Pointer) unsafe.Pointer {
	item := receivedItem((*abi.Item)(received))
	abi.Taken()
	abi.Release()
	sendOutcome(dispatch(item.Event, item.Delivery), &handlerOutcome)
	abi.Collect()
	return unsafe.Pointer(&handlerOutcome)
}
