//go:build wasip1 && wharf_http

package wharf

import (
	"fmt"
	"os"

	"wharf/internal/abi"
	"wharf/internal/web"
)

//go:wasmexport wasi:http/incoming-handler@0.2.0#handle
func exportedAnswer(request, out int32) {
	received, broken := web.Receive(request)
	abi.Taken()
	var response Response
	if broken != nil {
		// A part is not handed over for the whole.
		response = TextResponse(400, broken.Error())
	} else {
		response = Answer(answers, Request(received))
	}
	defer abi.Collect()
	if err := web.Send(out, web.Response(response)); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}
