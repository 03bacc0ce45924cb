// Package web is wasi:http, as far as a component needs it that answers requests: a request that came whole, an answer that leaves whole.
package web

// Request is a request.
type Request struct {
	Method, Target string
	Fields         map[string]string
	Body           []byte
}

// Response is an answer.
type Response struct {
	Status int
	Fields map[string]string
	Body   []byte
}
