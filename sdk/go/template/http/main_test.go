package main

import (
	"testing"

	"wharf"
)

func ask(method, target, body string) wharf.Response {
	return wharf.Answer(answer, wharf.Request{Method: method, Target: target, Body: []byte(body)})
}

func TestWhoeverSaysANameIsGreeted(t *testing.T) {
	response := ask("POST", "/greet?loudly", `{"name": "Ada"}`)
	if response.Status != 200 || string(response.Body) != `{"greeting":"Hello, Ada!"}` {
		t.Fatal(response.Status, string(response.Body))
	}
}

func TestWhatIsNoCallerIsRefused(t *testing.T) {
	for _, body := range []string{"Ada", "[]", "null", "{}"} {
		if response := ask("POST", "/greet", body); response.Status != 400 {
			t.Error(body, response.Status)
		}
	}
	if response := ask("GET", "/elsewhere", ""); response.Status != 404 {
		t.Error(response.Status)
	}
}
