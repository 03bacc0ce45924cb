package wharf

import "wharf/internal/host"

// Event is an event, as CloudEvents 1.0 defines it, with a payload of the type T. An attribute that is absent is empty.
//
// The payload is read from JSON into T; a T of []byte takes it as it is.
type Event[T any] struct {
	ID          string
	Source      string
	Type        string
	Subject     string
	Time        string
	ContentType string
	Schema      string
	// Extensions are the extension attributes, the host's own (correlationid, causationid) among them.
	Extensions map[string]string
	Data       T
}

// Delivery is why and how an event reached a handler.
type Delivery = host.Delivery

// Item is a message of the queue that a plugin consumes. It succeeded unless Fail says otherwise.
type Item[T any] struct {
	Event    Event[T]
	Delivery Delivery
	failure  error
}

// Fail says that this event did not succeed: by Reject, Retry, RetryAfter, or any error, which is a retry.
func (i *Item[T]) Fail(why error) { i.failure = why }

func typed[T any](received host.Event) (Event[T], error) {
	event := Event[T]{
		ID:          received.ID,
		Source:      received.Source,
		Type:        received.Type,
		Subject:     received.Subject,
		Time:        received.Time,
		ContentType: received.ContentType,
		Schema:      received.Schema,
		Extensions:  received.Extensions,
	}
	err := decode(received.Data, &event.Data)
	return event, err
}
