// Package wharftest is a host in memory, so that `go test` runs a handler as the function that it is. It does not exist in components.
//
//	host := wharftest.New()
//	result := wharftest.Run(host, charge, "order.created", Order{Number: 7, Cents: 990})
//
// As with the real host, what an attempt published and stored is kept only if it ended well.
package wharftest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"wharf"
	"wharf/internal/host"
)

// Published is an event that a handler published.
type Published struct {
	ID, Type, Source, Subject, ContentType string
	Extensions                             map[string]string
	Data                                   string
}

// Line is a line of the log.
type Line struct {
	Level   wharf.Level
	Message string
}

// Host is a host in memory. Its fields may be set before an attempt and read behind it.
type Host struct {
	// KV are the buckets by their names; the plugin's own is "default".
	KV map[string]map[string]string
	// Configuration is the plugin's `config` table.
	Configuration map[string]string
	// Secrets are what the plugin may hold.
	Secrets map[string]string
	// Denied are event types, buckets and secrets that are not granted.
	Denied []string
	// Time stands still.
	Time time.Time
	// Attempt is the number of the next attempt.
	Attempt   uint32
	Published []Published
	Lines     []Line
	drawn     *rand.ChaCha8
}

// New is an empty host.
func New() *Host {
	return &Host{
		KV:            map[string]map[string]string{},
		Configuration: map[string]string{},
		Secrets:       map[string]string{},
		Time:          time.Unix(1700000000, 0).UTC(),
		Attempt:       1,
		drawn:         rand.NewChaCha8([32]byte{}),
	}
}

// Result is how an attempt ended: Outcome is ok, retry, reject, or dropped.
type Result struct {
	Outcome string
	Reason  string
	// After is how long a retry is to wait; below zero leaves it to the retry policy.
	After time.Duration
}

// Run runs one attempt. The payload is as it is if it is bytes or a text, and else written as JSON.
func Run[T any](h *Host, handler func(*wharf.Context, wharf.Event[T]) error, kind string, payload any) Result {
	var result Result
	h.attempt(func() bool {
		result = resultOf(wharf.Attempt(handler, event("1", kind, payload), h.delivery()))
		return result.Outcome == "ok"
	})
	return result
}

// RunBatch runs one call with an event for each payload, and gives each one's result. If the call fails they all have its failure.
func RunBatch[T any](h *Host, handler func(*wharf.Context, []*wharf.Item[T]) error, kind string, payloads ...any) []Result {
	var results []Result
	h.attempt(func() bool {
		var items []host.Item
		for n, payload := range payloads {
			items = append(items, host.Item{Event: event(strconv.Itoa(n+1), kind, payload), Delivery: h.delivery()})
		}
		outcomes, err := wharf.AttemptBatch(handler, items)
		for n := range items {
			if err != nil {
				results = append(results, resultOf(err))
			} else {
				results = append(results, resultOf(outcomes[n]))
			}
		}
		return !slices.ContainsFunc(results, func(result Result) bool { return result.Outcome != "ok" })
	})
	return results
}

// RunTransform runs a transform, and gives the payload and the attributes of the event that goes on, if one does.
func RunTransform[T any](change func(*wharf.Event[T]) error, kind string, payload any) (wharf.Event[string], Result) {
	changed, err := wharf.AttemptTransform(change, event("1", kind, payload))
	if err != nil {
		return wharf.Event[string]{}, resultOf(err)
	}
	if changed == nil {
		return wharf.Event[string]{}, Result{Outcome: "dropped", After: -1}
	}
	return wharf.Event[string]{
		ID: changed.ID, Source: changed.Source, Type: changed.Type, Subject: changed.Subject, Time: changed.Time,
		ContentType: changed.ContentType, Schema: changed.Schema, Extensions: changed.Extensions, Data: string(changed.Data),
	}, resultOf(nil)
}

func event(id, kind string, payload any) host.Event {
	event := host.Event{ID: id, Source: "test", Type: kind, ContentType: "application/json", Extensions: map[string]string{}}
	switch payload := payload.(type) {
	case nil:
		event.ContentType = ""
	case string:
		event.Data = []byte(payload)
	case []byte:
		event.Data = payload
	default:
		data, err := json.Marshal(payload)
		if err != nil {
			panic(err)
		}
		event.Data = data
	}
	return event
}

func resultOf(err error) Result {
	result := Result{Outcome: "ok", After: -1}
	if err == nil {
		return result
	}
	result.Outcome, result.Reason = "retry", err.Error()
	var failure *wharf.Failure
	if errors.As(err, &failure) {
		if failure.Rejects() {
			result.Outcome = "reject"
		}
		if after, isSaid := failure.After(); isSaid {
			result.After = after
		}
	}
	return result
}

func (h *Host) delivery() host.Delivery {
	return host.Delivery{ID: "delivery-1", Rule: "test", Attempt: h.Attempt, MaxAttempts: h.Attempt + 2, DeadlineMs: 30000}
}

// attempt undoes what was done if it did not end well.
func (h *Host) attempt(run func() bool) {
	kept, published := map[string]map[string]string{}, len(h.Published)
	for name, bucket := range h.KV {
		kept[name] = maps.Clone(bucket)
	}
	before := host.Current
	host.Current = memory{h}
	defer func() { host.Current = before }()
	if !run() {
		h.KV, h.Published = kept, h.Published[:published]
	}
}

// memory is the host as the SDK sees it.
type memory struct{ *Host }

func (m memory) bucket(name string) (map[string]string, error) {
	if slices.Contains(m.Denied, name) {
		return nil, fmt.Errorf("bucket `%s`: %w", name, host.ErrDenied)
	}
	if m.KV[name] == nil {
		m.KV[name] = map[string]string{}
	}
	return m.KV[name], nil
}

func (m memory) Publish(draft host.Event) (string, error) {
	if draft.Type == "" {
		return "", fmt.Errorf("%w: its type is empty", host.ErrInvalid)
	}
	if slices.Contains(m.Denied, draft.Type) {
		return "", fmt.Errorf("%w: publishing `%s`", host.ErrDenied, draft.Type)
	}
	id := fmt.Sprintf("published-%d", len(m.Host.Published)+1)
	m.Host.Published = append(m.Host.Published, Published{
		id, draft.Type, draft.Source, draft.Subject, draft.ContentType, draft.Extensions, string(draft.Data),
	})
	return id, nil
}

func (m memory) Get(name, key string) ([]byte, error) {
	bucket, err := m.bucket(name)
	if value, isThere := bucket[key]; isThere {
		return []byte(value), err
	}
	return nil, err
}

func (m memory) Set(name, key string, value []byte) error {
	bucket, err := m.bucket(name)
	if err == nil {
		bucket[key] = string(value)
	}
	return err
}

func (m memory) Delete(name, key string) error {
	bucket, err := m.bucket(name)
	delete(bucket, key)
	return err
}

func (m memory) Keys(name string) ([]string, error) {
	bucket, err := m.bucket(name)
	return slices.Sorted(maps.Keys(bucket)), err
}

func (m memory) Add(name, key string, delta int64) (int64, error) {
	bucket, err := m.bucket(name)
	if err != nil {
		return 0, err
	}
	sum := delta
	if value, isThere := bucket[key]; isThere {
		number, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("bucket `%s`: the value under `%s` is no integer", name, key)
		}
		sum += number
	}
	bucket[key] = strconv.FormatInt(sum, 10)
	return sum, nil
}

func (m memory) Config(key string) (string, bool) {
	value, isThere := m.Configuration[key]
	return value, isThere
}

func (m memory) Secret(name string) (string, error) {
	if slices.Contains(m.Denied, name) {
		return "", fmt.Errorf("secret `%s`: %w", name, host.ErrDenied)
	}
	value, isThere := m.Secrets[name]
	if !isThere {
		return "", fmt.Errorf("secret `%s`: %w", name, host.ErrNoSecret)
	}
	return value, nil
}

func (m memory) Log(level host.Level, _, message string) {
	m.Lines = append(m.Lines, Line{wharf.Level(level), message})
}

func (m memory) Now() time.Time { return m.Time }

func (m memory) Random(length int) []byte {
	bytes := make([]byte, length)
	_, _ = m.drawn.Read(bytes)
	return bytes
}
