package wharf

import (
	"errors"
	"fmt"
	"path"
	"reflect"
	"runtime"
	"runtime/debug"
	"strings"

	"wharf/internal/host"
)

// Attempt runs a handler as the host does: an event whose payload does not fit is rejected without calling it, and a panic is a retry
// with its message, and its stack in the log. Tests call it by wharftest.
func Attempt[T any](handler func(*Context, Event[T]) error, received host.Event, delivery Delivery) (err error) {
	event, err := typed[T](received)
	if err != nil {
		return err
	}
	defer logged(&err)
	return handler(&Context{delivery}, event)
}

// AttemptBatch runs a batch handler as the host does, with the events that fit, and gives each one's outcome or the failure of all.
func AttemptBatch[T any](handler func(*Context, []*Item[T]) error, received []host.Item) (outcomes []error, err error) {
	outcomes = make([]error, len(received))
	items := make([]*Item[T], len(received))
	var fitting []*Item[T]
	for n, one := range received {
		event, unfit := typed[T](one.Event)
		if outcomes[n] = unfit; unfit == nil {
			items[n] = &Item[T]{Event: event, Delivery: one.Delivery}
			fitting = append(fitting, items[n])
		}
	}
	if len(fitting) == 0 {
		return outcomes, nil
	}
	defer logged(&err)
	if err := handler(&Context{fitting[0].Delivery}, fitting); err != nil {
		return nil, err
	}
	for n, item := range items {
		if item != nil {
			outcomes[n] = item.failure
		}
	}
	return outcomes, nil
}

// AttemptTransform runs a transform as the host does, and gives the event that goes on, or nil if it is left out.
func AttemptTransform[T any](change func(*Event[T]) error, received host.Event) (changed *host.Event, err error) {
	event, err := typed[T](received)
	if err != nil {
		return nil, err
	}
	// What the transform changes is not the event that came.
	event.Extensions = map[string]string{}
	for name, value := range received.Extensions {
		event.Extensions[name] = value
	}
	defer func() {
		if reason := recover(); reason != nil {
			err = panicked(reason)
		}
	}()
	switch err := change(&event); {
	case errors.Is(err, Drop):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return sent(received, event)
}

// sent is the event that goes on. A payload that equals the one that came goes on byte for byte.
func sent[T any](received host.Event, event Event[T]) (*host.Event, error) {
	payload, contentType := received.Data, event.ContentType
	var came T
	if decode(received.Data, &came) != nil || !reflect.DeepEqual(came, event.Data) {
		written, kind, err := encode(any(event.Data))
		if err != nil {
			return nil, Reject("the payload of the changed event: %v", err)
		}
		payload = written
		if kind == "application/json" && !strings.Contains(contentType, "json") {
			contentType = kind
		}
	}
	return &host.Event{
		ID:          event.ID,
		Source:      event.Source,
		Type:        event.Type,
		Subject:     event.Subject,
		Time:        event.Time,
		ContentType: contentType,
		Schema:      event.Schema,
		Extensions:  event.Extensions,
		Data:        payload,
	}, nil
}

// logged makes a retry of a panic, and logs its stack.
func logged(err *error) {
	if reason := recover(); reason != nil {
		*err = panicked(reason)
		host.Log(host.Level(LevelError), "panic", fmt.Sprintf("panic: %v\n%s", reason, debug.Stack()))
	}
}

// panicked is a panic as an error that names its place, which is the first frame above the runtime's.
func panicked(reason any) error {
	var counters [16]uintptr
	frames := runtime.CallersFrames(counters[:runtime.Callers(3, counters[:])])
	for {
		frame, more := frames.Next()
		if frame.Function != "" && !strings.HasPrefix(frame.Function, "runtime.") {
			return Retry("panic: %v (%s:%d in %s)", reason, path.Base(frame.File), frame.Line, frame.Function)
		}
		if !more {
			return Retry("panic: %v", reason)
		}
	}
}
