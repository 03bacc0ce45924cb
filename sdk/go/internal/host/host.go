// Package host is what reaches the host: by the contract in a component, and by a host in memory anywhere else.
//
// It is plain functions and no interface, so that the linker leaves out what a plugin does not call: a component imports what it uses.
package host

import "errors"

// Event is an event as it is received or sent. An attribute that is absent is empty; Data is nil if there is none.
type Event struct {
	ID, Source, Type, Subject, Time, ContentType, Schema string
	Extensions                                           map[string]string
	Data                                                 []byte
}

// Delivery is why and how an event reached a handler.
type Delivery struct {
	// ID is the same for every attempt: an idempotency key for effects outside the host.
	ID string
	// Rule is the rule that matched; the queue's name where the event was sent straight there.
	Rule string
	// Attempt is 1 for the first.
	Attempt uint32
	// MaxAttempts is how many the retry policy allows.
	MaxAttempts uint32
	// DeadlineMs is how long the attempt may take, in milliseconds from its start.
	DeadlineMs uint32
}

// Item is a message of a queue.
type Item struct {
	Event    Event
	Delivery Delivery
}

// Failure is how an attempt ended that did not succeed.
type Failure struct {
	Reason  string
	Rejects bool
	// AfterMs is of a retry: wait at least so long; below zero leaves it to the retry policy.
	AfterMs int64
}

// Level is how much a line of the log matters, from trace to critical.
type Level uint8

// Why the host did not do what was asked for.
var (
	ErrDenied   = errors.New("not granted to this plugin")
	ErrInvalid  = errors.New("against the rules of CloudEvents")
	ErrNoBucket = errors.New("there is no such bucket")
	ErrNoSecret = errors.New("there is no such secret")
)
