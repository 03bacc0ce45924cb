package wharf

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"

	"wharf/internal/host"
)

// What the program's init functions said. A component has handlers, or one batch handler, or one transform, or one
// function that answers requests.
var (
	handlers  []route
	batches   func([]host.Item) ([]*host.Failure, *host.Failure)
	transform func(host.Event) (*host.Event, *host.Failure)
	said      description
)

type route struct {
	pattern string
	handle  func(host.Event, host.Delivery) *host.Failure
}

// description is what wharf-go asks a program for: what kind of component it is, and what that says of itself.
type description struct {
	Kind    string   `json:"kind"`
	On      []string `json:"on"`
	OrderBy string   `json:"order_by,omitempty"`
	Retry   *Retries `json:"retry,omitempty"`
	Needs   *Needs   `json:"needs,omitempty"`
}

// Option says how deliveries to the component's handlers are made.
type Option func(*description)

// Retries is how often a handler wants to be tried, as in a rule's target; times are texts such as "2s" and "5m". What is left out the host
// decides.
type Retries struct {
	Attempts uint32 `json:"attempts,omitempty"`
	First    string `json:"first,omitempty"`
	Max      string `json:"max,omitempty"`
	Age      string `json:"age,omitempty"`
}

// OrderBy says what events are ordered by: a path into the event, such as `$.data.customer`.
func OrderBy(path string) Option {
	return func(said *description) {
		if said.OrderBy != "" && said.OrderBy != path {
			panic("a component's events are ordered by one path: " + said.OrderBy + " or " + path)
		}
		said.OrderBy = path
	}
}

// WithRetries says how often a delivery is tried.
func WithRetries(retries Retries) Option {
	return func(said *description) {
		if said.Retry != nil && *said.Retry != retries {
			panic("a component's deliveries are retried in one way")
		}
		said.Retry = &retries
	}
}

// Needs says which event types a plugin publishes, which buckets it opens and which secrets it holds, so that whoever grants it need not guess. A
// type ends in `*` where all are meant that begin so; a bucket has `:read` behind its name where it is only read.
type Needs struct {
	Publish []string `json:"publish"`
	KV      []string `json:"kv"`
	Hold    []string `json:"hold,omitempty"`
}

// Declare puts what a plugin needs into its component. Call it in an init function. Saying it allows nothing: the tenant grants it.
func Declare(needs Needs) {
	needs.Publish = append([]string{}, needs.Publish...)
	needs.KV = append([]string{}, needs.KV...)
	said.Needs = &needs
}

// On makes a function the handler of events whose type is pattern, or begins with what is before its `*`. Call it in an init function,
// as often as there are handlers: the first whose pattern fits an event gets it. `wharf deploy FILE.wasm` makes the plugin's rule of all of them; what
// an option says holds for all of them too.
func On[T any](pattern string, handler func(*Context, Event[T]) error, options ...Option) {
	declare("handler", pattern)
	for _, option := range options {
		option(&said)
	}
	handlers = append(handlers, route{pattern, func(event host.Event, delivery host.Delivery) *host.Failure {
		return toContract(Attempt(handler, event, delivery))
	}})
}

// OnBatch makes a function the batch handler of the component: it consumes a queue, many events in one call. Call it in an init function.
func OnBatch[T any](handler func(*Context, []*Item[T]) error) {
	declare("batch", "")
	batches = func(items []host.Item) ([]*host.Failure, *host.Failure) {
		outcomes, err := AttemptBatch(handler, items)
		failures := make([]*host.Failure, len(outcomes))
		for n, outcome := range outcomes {
			failures[n] = toContract(outcome)
		}
		return failures, toContract(err)
	}
}

// OnTransform makes a function the transform of the component: it changes events on their way to a target, or returns Drop to leave one
// out. It is pure: the event is all that it sees. Call it in an init function.
func OnTransform[T any](change func(*Event[T]) error) {
	declare("transform", "")
	transform = func(event host.Event) (*host.Event, *host.Failure) {
		changed, err := AttemptTransform(change, event)
		return changed, toContract(err)
	}
}

func toContract(err error) *host.Failure {
	if err == nil {
		return nil
	}
	return failed(err).toContract()
}

func declare(kind, pattern string) {
	if said.Kind != "" && (said.Kind != kind || kind != "handler") {
		panic(fmt.Sprintf("a component has handlers, or one batch handler, or one transform, or answers requests: this one has %s and %s", said.Kind, kind))
	}
	said.Kind = kind
	if pattern != "" && !slices.Contains(said.On, pattern) {
		said.On = append(said.On, pattern)
	}
}

func dispatch(event host.Event, delivery host.Delivery) *host.Failure {
	for _, route := range handlers {
		begin, isPrefix := strings.CutSuffix(route.pattern, "*")
		if route.pattern == event.Type || isPrefix && strings.HasPrefix(event.Type, begin) {
			return route.handle(event, delivery)
		}
	}
	return &host.Failure{Reason: fmt.Sprintf("no handler of this plugin is for events of the type `%s`", event.Type), Rejects: true}
}

// Describe prints what the program's init functions said, and ends it. It is for wharf-go.
func Describe() {
	if said.Kind == "" {
		fmt.Fprintln(os.Stderr, "this program declares nothing: call wharf.On in an init function")
		os.Exit(1)
	}
	if err := json.NewEncoder(os.Stdout).Encode(said); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}
