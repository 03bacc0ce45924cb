package main

import (
	"testing"

	"wharf/wharftest"
)

func TestReportsAreNumbered(t *testing.T) {
	host := wharftest.New()
	host.KV["default"] = map[string]string{"reports": "2"}
	if result := wharftest.Run(host, report, "report.due", []byte{}); result.Outcome != "ok" {
		t.Fatal(result)
	}
	if host.KV["default"]["reports"] != "3" || host.Published[0].Type != "report.made" {
		t.Fatal(host.KV, host.Published)
	}
}

func TestAReportIsOfTheDayThatItWasDue(t *testing.T) {
	if title := title(3, "2026-01-01T03:00:00Z"); title != "Report 3 of 2026-01-01" {
		t.Fatal(title)
	}
}
