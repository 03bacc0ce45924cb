package wharf

import (
	"fmt"
	"time"

	"wharf/internal/host"
)

// Context is the attempt that a handler runs in: why it was called, and what it can do. Effects are the attempt's: the host keeps them
// only if the handler returns nil. (Log lines are kept always.)
type Context struct {
	delivery Delivery
}

// Attempt is which attempt this is: 1 is the first.
func (c *Context) Attempt() uint32 { return c.delivery.Attempt }

// MaxAttempts is how many attempts the target's retry policy allows.
func (c *Context) MaxAttempts() uint32 { return c.delivery.MaxAttempts }

// DeliveryID is the same for every attempt of this delivery: an idempotency key for effects outside the host.
func (c *Context) DeliveryID() string { return c.delivery.ID }

// Rule is the rule that matched the event.
func (c *Context) Rule() string { return c.delivery.Rule }

// Deadline is how long this attempt may take, counted from its start.
func (c *Context) Deadline() time.Duration {
	return time.Duration(c.delivery.DeadlineMs) * time.Millisecond
}

// Draft is an event to be published on the bus of the handled event. Only Type has to be there.
type Draft struct {
	Type string
	// Source is plugin/<name> if it is empty.
	Source  string
	Subject string
	// ContentType is, if it is empty, application/octet-stream for bytes and application/json for all else.
	ContentType string
	Extensions  map[string]string
	// Data is the payload: nil is none, bytes are themselves, all else is written as JSON.
	Data any
}

// Why the host did not do what was asked for; compare by errors.Is.
var (
	// ErrDenied means that no grant of this plugin covers it.
	ErrDenied = host.ErrDenied
	// ErrInvalid means that a draft breaks a rule of CloudEvents.
	ErrInvalid = host.ErrInvalid
	// ErrNoBucket means that there is no bucket of that name.
	ErrNoBucket = host.ErrNoBucket
	// ErrNoSecret means that the tenant has no secret of that name.
	ErrNoSecret = host.ErrNoSecret
)

// Publish adds an event to the attempt's effects and gives the id that it will have.
func (c *Context) Publish(draft Draft) (id string, err error) {
	payload, contentType, err := encode(draft.Data)
	if err != nil {
		return "", fmt.Errorf("the payload of `%s`: %w", draft.Type, err)
	}
	if draft.ContentType != "" {
		contentType = draft.ContentType
	}
	return host.Publish(host.Event{
		Type:        draft.Type,
		Source:      draft.Source,
		Subject:     draft.Subject,
		ContentType: contentType,
		Extensions:  draft.Extensions,
		Data:        payload,
	})
}

// KV is the plugin's own bucket.
func (c *Context) KV() *Bucket { return c.Bucket("default") }

// Bucket is the bucket of that name.
func (c *Context) Bucket(name string) *Bucket { return &Bucket{name: name} }

// Config is the value of one key of the plugin's `config` table.
func (c *Context) Config(key string) (value string, isThere bool) { return host.Config(key) }

// Secret is the value of a secret of the tenant, which needs a grant of its own (`hold`). Where a service takes a key in a field of a request, a
// grant of `secrets` has the host put it there, and the plugin never has it.
func (c *Context) Secret(name string) (string, error) { return host.Secret(name) }

// Level is how much a line of the log matters.
type Level = host.Level

// The levels of the log.
const (
	LevelTrace Level = iota
	LevelDebug
	LevelInfo
	LevelWarn
	LevelError
	LevelCritical
)

// Log writes one line to the plugin's log.
func (c *Context) Log(level Level, format string, arguments ...any) {
	host.Log(level, "", fmt.Sprintf(format, arguments...))
}

// Debug logs what helps debugging.
func (c *Context) Debug(format string, arguments ...any) { c.Log(LevelDebug, format, arguments...) }

// Info logs what is worth knowing.
func (c *Context) Info(format string, arguments ...any) { c.Log(LevelInfo, format, arguments...) }

// Warn logs that something is hazardous.
func (c *Context) Warn(format string, arguments ...any) { c.Log(LevelWarn, format, arguments...) }

// Error logs that something failed.
func (c *Context) Error(format string, arguments ...any) { c.Log(LevelError, format, arguments...) }

// Now is the time of day.
func (c *Context) Now() time.Time { return host.Now() }

// Random is so many random bytes that are fit for cryptography.
func (c *Context) Random(length int) []byte { return host.Random(length) }
