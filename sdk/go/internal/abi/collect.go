//go:build wasip1

package abi

import (
	"runtime"
	"runtime/debug"
)

// While the host hands something over, a component may not call it; but at the end of a collection Go asks for the time of day. So none may
// begin or end there: collections are made before, by Collect, when the next one is not far.

// headroom is what the host may hand over between two calls of Collect: an event, or a value, and what is about it.
const headroom = 5 << 19

// rare and usual are how much a heap grows before it is collected, in percent of what is in use: a small one is let grow to 16 MiB first.
const (
	rare  = 400
	usual = 100
	small = 8 << 20
)

func init() { debug.SetGCPercent(rare) }

// Collect is to be called before the host is asked for something that may be large, and before it may call again.
func Collect() {
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	// A collection begins at seven tenths of the goal at the earliest; one that began is ended by this.
	if 10*(memory.HeapAlloc+headroom) < 7*memory.NextGC {
		return
	}
	runtime.GC()
	runtime.ReadMemStats(&memory)
	if memory.HeapAlloc > small {
		debug.SetGCPercent(usual)
	} else {
		debug.SetGCPercent(rare)
	}
}
