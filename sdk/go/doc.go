// Package wharf is for writing event handlers for Wharf in Go.
//
// A handler is one function. What it publishes and stores becomes durable in one commit with the settlement of its event when it
// returns nil, and none of it does when it returns an error, panics or takes too long.
//
//	func init() { wharf.On("order.created", charge) }
//
//	func charge(ctx *wharf.Context, event wharf.Event[Order]) error {
//		if event.Data.Cents < 0 {
//			return wharf.Reject("an order cannot cost less than nothing")
//		}
//		_, err := ctx.Publish(wharf.Draft{Type: "order.charged", Data: event.Data})
//		return err
//	}
//
//	func main() {}
//
// Any other error is a wish to be tried again, and so is a panic: its message is in the attempt, and its stack in the log.
//
// What answers requests in place of events is said by [OnRequest].
//
// `go run wharf/cmd/wharf-go` makes a component of such a program with the ordinary compiler. Package [wharf/wharftest] has a host in
// memory for `go test`.
package wharf
