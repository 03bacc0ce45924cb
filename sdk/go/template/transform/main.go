// {{name}} adds the price in euros, and leaves out what has no price.
package main

import "wharf"

func init() { wharf.OnTransform(price) }

func main() {}

// Order is the payload. What is a pointer need not be there.
type Order struct {
	Number int64   `json:"number"`
	Cents  *int64  `json:"cents"`
	Euros  float64 `json:"euros,omitempty"`
}

func price(event *wharf.Event[Order]) error {
	if event.Data.Cents == nil {
		return wharf.Drop
	}
	event.Data.Euros = float64(*event.Data.Cents) / 100
	return nil
}
