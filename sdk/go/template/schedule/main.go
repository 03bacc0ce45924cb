// {{name}} makes a report each time that it is due, and numbers them.
package main

import (
	"fmt"
	"strings"

	"wharf"
)

func init() {
	wharf.Declare(wharf.Needs{Publish: []string{"report.made"}, KV: []string{"default"}})
	wharf.On("report.due", report)
}

func main() {}

// Report is what is published.
type Report struct {
	Number uint64 `json:"number"`
	Title  string `json:"title"`
}

func report(ctx *wharf.Context, event wharf.Event[[]byte]) error {
	number, err := ctx.KV().Increment("reports", 1)
	if err != nil {
		return err
	}
	_, err = ctx.Publish(wharf.Draft{Type: "report.made", Data: Report{Number: number, Title: title(number, event.Time)}})
	return err
}

func title(number uint64, due string) string {
	day, _, _ := strings.Cut(due, "T")
	return fmt.Sprintf("Report %d of %s", number, day)
}
