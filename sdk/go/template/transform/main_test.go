package main

import (
	"testing"

	"wharf/wharftest"
)

func TestThePriceInEurosIsAdded(t *testing.T) {
	event, result := wharftest.RunTransform(price, "order.created", map[string]int{"number": 7, "cents": 990})
	if result.Outcome != "ok" || event.Data != `{"number":7,"cents":990,"euros":9.9}` {
		t.Fatal(event, result)
	}
}

func TestWhatHasNoPriceIsLeftOut(t *testing.T) {
	if _, result := wharftest.RunTransform(price, "order.created", map[string]int{"number": 7}); result.Outcome != "dropped" {
		t.Fatal(result)
	}
}
