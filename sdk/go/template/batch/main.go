// {{name}} sums up what a queue brings.
package main

import "wharf"

func init() {
	wharf.Declare(wharf.Needs{KV: []string{"default"}})
	wharf.OnBatch(total)
}

func main() {}

func total(ctx *wharf.Context, batch []*wharf.Item[int64]) error {
	var sum int64
	for _, item := range batch {
		sum += item.Event.Data
		if item.Event.Data < 0 {
			item.Fail(wharf.Reject("less than nothing"))
		}
	}
	// Kept only if every event ends well; if some do not, the others come again without them.
	return ctx.KV().Add("total", sum)
}
