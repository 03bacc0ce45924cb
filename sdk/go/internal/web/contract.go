//go:build wasip1

package web

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"unsafe"

	"wharf/internal/abi"
)

//go:wasmimport wasi:http/types@0.2.0 [method]incoming-request.method
func method(request int32, area unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.0 [method]incoming-request.path-with-query
func pathWithQuery(request int32, area unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.0 [method]incoming-request.headers
func headers(request int32) int32

//go:wasmimport wasi:http/types@0.2.0 [method]incoming-request.consume
func consume(request int32, area unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.0 [resource-drop]incoming-request
func dropRequest(request int32)

//go:wasmimport wasi:http/types@0.2.0 [method]incoming-body.stream
func incoming(body int32, area unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.0 [resource-drop]incoming-body
func dropBody(body int32)

//go:wasmimport wasi:http/types@0.2.0 [method]fields.entries
func entries(fields int32, area unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.0 [static]fields.from-list
func fromList(entries unsafe.Pointer, length uint32, area unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.0 [resource-drop]fields
func dropFields(fields int32)

//go:wasmimport wasi:http/types@0.2.0 [constructor]outgoing-response
func newResponse(fields int32) int32

//go:wasmimport wasi:http/types@0.2.0 [method]outgoing-response.set-status-code
func setStatus(response, status int32) int32

//go:wasmimport wasi:http/types@0.2.0 [method]outgoing-response.body
func outgoing(response int32, area unsafe.Pointer)

// The last seven say why there is no answer.
//
//go:wasmimport wasi:http/types@0.2.0 [static]response-outparam.set
func set(out, isNone, response, a int32, b int64, c, d, e, f int32)

//go:wasmimport wasi:http/types@0.2.0 [method]outgoing-body.write
func outgoingStream(body int32, area unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.0 [static]outgoing-body.finish
func finish(body, hasTrailers, trailers int32, area unsafe.Pointer)

//go:wasmimport wasi:io/streams@0.2.0 [method]input-stream.blocking-read
func read(stream int32, most uint64, area unsafe.Pointer)

//go:wasmimport wasi:io/streams@0.2.0 [resource-drop]input-stream
func dropInput(stream int32)

//go:wasmimport wasi:io/streams@0.2.0 [method]output-stream.blocking-write-and-flush
func write(stream int32, bytes unsafe.Pointer, length uint32, area unsafe.Pointer)

//go:wasmimport wasi:io/streams@0.2.0 [resource-drop]output-stream
func dropOutput(stream int32)

//go:wasmimport wasi:io/error@0.2.0 [resource-drop]error
func dropError(problem int32)

// Bytes that are read, and that are written, at a time: no more are written at once.
const (
	readMost  = 1 << 16
	writeMost = 4096
)

// The methods that have a number of their own, in its order.
var methods = [...]string{"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}

var errBody = errors.New("the request's body broke off")

// Receive takes a request whole. What is there of it comes also where its body broke off.
func Receive(request int32) (Request, error) {
	defer dropRequest(request)
	received := Request{Fields: map[string]string{}}
	area := abi.NewArea()
	method(request, area.At(0))
	if tag := int(area.U8(0)); tag < len(methods) {
		received.Method = methods[tag]
	} else {
		received.Method = area.Text(4)
	}
	pathWithQuery(request, area.At(0))
	if area.U8(0) != 0 {
		received.Target = area.Text(4)
	}
	fields := headers(request)
	entries(fields, area.At(0))
	for _, field := range abi.List[abi.Attribute](*(*abi.Text)(area.At(0))) {
		received.Fields[strings.ToLower(field.Name.String())] = field.Value.String()
	}
	dropFields(fields)
	consume(request, area.At(0))
	if area.U8(0) != 0 {
		return received, errBody
	}
	body := int32(area.U32(4))
	defer dropBody(body)
	incoming(body, area.At(0))
	if area.U8(0) != 0 {
		return received, errBody
	}
	stream := int32(area.U32(4))
	defer dropInput(stream)
	for {
		abi.Collect()
		read(stream, readMost, area.At(0))
		if area.U8(0) == 0 {
			received.Body = append(received.Body, area.Bytes(4)...)
			abi.Taken()
		} else if isClosed(area) {
			return received, nil
		} else {
			return received, errBody
		}
	}
}

// isClosed tells an end from a failure, of a stream's error.
func isClosed(area *abi.Area) bool {
	if area.U8(4) != 0 {
		return true
	}
	dropError(int32(area.U32(8)))
	return false
}

// Send answers. An error says that there was another answer than this one, since it is none.
func Send(out int32, response Response) error {
	area := abi.NewArea()
	list := abi.Attributes(response.Fields)
	fromList(unsafe.Pointer(unsafe.SliceData(list)), uint32(len(list)), area.At(0))
	runtime.KeepAlive(list)
	abi.Release()
	var problem error
	if area.U8(0) != 0 {
		problem = fmt.Errorf("the answer's fields are none: %q", response.Fields)
		fromList(nil, 0, area.At(0))
		response.Status, response.Body = 500, nil
	}
	answer := newResponse(int32(area.U32(4)))
	if response.Status < 100 || response.Status > 999 || setStatus(answer, int32(response.Status)) != 0 {
		problem = errors.Join(problem, fmt.Errorf("the answer's status is none: %d", response.Status))
		setStatus(answer, 500)
	}
	outgoing(answer, area.At(0))
	body := int32(area.U32(4))
	set(out, 0, answer, 0, 0, 0, 0, 0, 0)
	outgoingStream(body, area.At(0))
	stream := int32(area.U32(4))
	// Where it cannot be written any more, nobody waits for it.
	for rest, goes := response.Body, true; goes && len(rest) > 0; {
		piece := rest[:min(len(rest), writeMost)]
		write(stream, unsafe.Pointer(unsafe.SliceData(piece)), uint32(len(piece)), area.At(0))
		rest = rest[len(piece):]
		if area.U8(0) != 0 {
			isClosed(area)
			goes = false
		}
	}
	runtime.KeepAlive(response.Body)
	dropOutput(stream)
	finish(body, 0, 0, area.At(0))
	return problem
}
