//go:build wasip1 && wharf_batch

package wharf

import (
	"unsafe"

	"wharf/internal/abi"
	"wharf/internal/host"
)

// batchOutcomes is a list of outcomes, or the failure of all.
var batchOutcomes struct {
	failed  uint8
	_       [7]uint8
	failure abi.Failure
}

//go:wasmexport wharf:plugin/batch-handler@0.1.0#handle-batch
func exportedHandleBatch(received unsafe.Pointer, length uint32) unsafe.Pointer {
	items := make([]host.Item, 0, length)
	for n := range unsafe.Slice((*abi.Item)(received), length) {
		items = append(items, receivedItem((*abi.Item)(unsafe.Add(received, uintptr(n)*unsafe.Sizeof(abi.Item{})))))
	}
	abi.Taken()
	abi.Release()
	failures, failure := batches(items)
	batchOutcomes.failed = 0
	if failure != nil {
		batchOutcomes.failed = 1
		sendFailure(failure, &batchOutcomes.failure)
		return unsafe.Pointer(&batchOutcomes)
	}
	outcomes := make([]abi.Outcome, len(failures))
	for n, failure := range failures {
		sendOutcome(failure, &outcomes[n])
	}
	*(*abi.Text)(unsafe.Pointer(&batchOutcomes.failure)) = abi.SentList(outcomes)
	return unsafe.Pointer(&batchOutcomes)
}
