package wharf

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
)

// Request is a request that came whole.
type Request struct {
	// Method is in capital letters.
	Method string
	// Target is what is asked for, as it was sent: the path with the query.
	Target string
	// Fields have names in small letters. Of a name that came more than once it is the last.
	Fields map[string]string
	Body   []byte
}

// Path is what is asked for without the query.
func (r Request) Path() string {
	path, _, _ := strings.Cut(r.Target, "?")
	return path
}

// Response is an answer that leaves whole.
type Response struct {
	Status int
	Fields map[string]string
	Body   []byte
}

// TextResponse is an answer of plain text.
func TextResponse(status int, text string) Response {
	return Response{status, map[string]string{"content-type": "text/plain; charset=utf-8"}, []byte(text)}
}

// JSONResponse is an answer of JSON.
func JSONResponse(status int, value any) Response {
	body, err := json.Marshal(value)
	if err != nil {
		return failedResponse(fmt.Sprintf("the answer is no JSON: %v", err))
	}
	return Response{status, map[string]string{"content-type": "application/json"}, body}
}

var answers func(Request) Response

// OnRequest makes a function what answers requests: the component is one of wasi:http/proxy, which other hosts of that world run too. Each
// request has a fresh instance unless its route says otherwise. Call it in an init function.
func OnRequest(answer func(Request) Response) {
	declare("http", "")
	answers = answer
}

// Answer answers a request as the host does: a panic is an answer of the status 500, and its words and stack go to the plugin's log.
func Answer(answer func(Request) Response, request Request) (response Response) {
	defer func() {
		if reason := recover(); reason != nil {
			response = failedResponse(fmt.Sprintf("panic: %v\n%s", reason, debug.Stack()))
		}
	}()
	return answer(request)
}

// failedResponse says what went wrong to the plugin's log, and not to whoever asked.
func failedResponse(why string) Response {
	fmt.Fprintln(os.Stderr, why)
	return TextResponse(500, "that went wrong here")
}
