// {{name}} answers requests, and greets whoever says a name.
package main

import (
	"encoding/json"
	"fmt"

	"wharf"
)

func init() { wharf.OnRequest(answer) }

func main() {}

type caller struct {
	Name *string `json:"name"`
}

type greeting struct {
	Greeting string `json:"greeting"`
}

// answer answers one request. Each has a fresh instance of its own: what is kept in memory is gone with it.
func answer(request wharf.Request) wharf.Response {
	switch request.Method + " " + request.Path() {
	case "GET /":
		return wharf.TextResponse(200, "POST a name to /greet")
	case "POST /greet":
		var it caller
		if err := json.Unmarshal(request.Body, &it); err != nil || it.Name == nil {
			return wharf.TextResponse(400, "that is no caller")
		}
		return wharf.JSONResponse(200, greeting{fmt.Sprintf("Hello, %s!", *it.Name)})
	}
	return wharf.TextResponse(404, "there is nothing here")
}
