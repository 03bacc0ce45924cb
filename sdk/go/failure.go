package wharf

import (
	"errors"
	"fmt"
	"time"

	"wharf/internal/host"
)

// Failure is how a handler says that an attempt did not succeed. Make one by Reject, Retry or RetryAfter; it may be wrapped.
type Failure struct {
	reason  string
	rejects bool
	// after is how long to wait at least; below zero leaves it to the target's retry policy.
	after time.Duration
}

// Error is the reason.
func (f *Failure) Error() string { return f.reason }

// Rejects tells a rejection from a wish to be tried again.
func (f *Failure) Rejects() bool { return f.rejects }

// After is how long a retry is to wait at least, if it says so.
func (f *Failure) After() (wait time.Duration, isSaid bool) {
	return f.after, !f.rejects && f.after >= 0
}

// Reject means that this event can never succeed here: it goes to the dead-letter queue now.
func Reject(format string, arguments ...any) error {
	return &Failure{reason: fmt.Sprintf(format, arguments...), rejects: true}
}

// Retry means that this event is to be tried again, when the target's retry policy says.
func Retry(format string, arguments ...any) error {
	return &Failure{reason: fmt.Sprintf(format, arguments...), after: -1}
}

// RetryAfter means that this event is to be tried again, but not before wait has passed. The host counts in milliseconds.
func RetryAfter(wait time.Duration, format string, arguments ...any) error {
	return &Failure{reason: fmt.Sprintf(format, arguments...), after: max(0, wait)}
}

// Drop is what a transform returns to leave an event out.
var Drop = errors.New("only a transform can drop an event")

// failed makes of any error what it means to the host.
func failed(err error) *Failure {
	var failure *Failure
	if !errors.As(err, &failure) {
		return &Failure{reason: err.Error(), after: -1}
	}
	said := *failure
	// Whoever wrapped it had something to say.
	said.reason = err.Error()
	return &said
}

// toContract is a failure as the contract has it; a wait is rounded up, so it is never shorter than what was asked for.
func (f *Failure) toContract() *host.Failure {
	after := int64(-1)
	if wait, isSaid := f.After(); isSaid {
		after = int64((wait + time.Millisecond - 1) / time.Millisecond)
	}
	return &host.Failure{Reason: f.reason, Rejects: f.rejects, AfterMs: after}
}
