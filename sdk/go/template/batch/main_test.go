package main

import (
	"testing"

	"wharf/wharftest"
)

func TestABatchThatSucceedsIsSummedUp(t *testing.T) {
	host := wharftest.New()
	for _, result := range wharftest.RunBatch(host, total, "number.drawn", 1, 20, 300) {
		if result.Outcome != "ok" {
			t.Fatal(result)
		}
	}
	if host.KV["default"]["total"] != "321" {
		t.Fatal(host.KV)
	}
}

func TestOfABatchWithABadEventNothingIsKeptYet(t *testing.T) {
	host := wharftest.New()
	results := wharftest.RunBatch(host, total, "number.drawn", 1, -2)
	if results[0].Outcome != "ok" || results[1].Outcome != "reject" || len(host.KV["default"]) != 0 {
		t.Fatal(results, host.KV)
	}
}
