// {{name}} handles events of the type order.created.
package main

import (
	"fmt"

	"wharf"
)

func init() {
	wharf.Declare(wharf.Needs{Publish: []string{"order.charged"}, KV: []string{"default"}})
	wharf.On("order.created", charge)
}

func main() {}

// Order is the payload.
type Order struct {
	Number int64 `json:"number"`
	Cents  int64 `json:"cents"`
}

func charge(ctx *wharf.Context, event wharf.Event[Order]) error {
	order := event.Data
	if order.Cents < 0 {
		return wharf.Reject("an order cannot cost less than nothing")
	}
	if err := ctx.KV().Add("cents", order.Cents); err != nil {
		return err
	}
	_, err := ctx.Publish(wharf.Draft{Type: "order.charged", Subject: fmt.Sprintf("order/%d", order.Number), Data: order})
	return err
}
