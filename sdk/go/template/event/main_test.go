package main

import (
	"testing"

	"wharf/wharftest"
)

func TestAnOrderIsCharged(t *testing.T) {
	host := wharftest.New()
	if result := wharftest.Run(host, charge, "order.created", Order{Number: 7, Cents: 990}); result.Outcome != "ok" {
		t.Fatal(result)
	}
	if host.KV["default"]["cents"] != "990" || host.Published[0].Subject != "order/7" {
		t.Fatal(host.KV, host.Published)
	}
}

func TestAnOrderThatCostsLessThanNothingIsRejected(t *testing.T) {
	if result := wharftest.Run(wharftest.New(), charge, "order.created", Order{Number: 7, Cents: -1}); result.Outcome != "reject" {
		t.Fatal(result)
	}
}
