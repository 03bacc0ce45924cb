//go:build !wasip1

package host

import "time"

// Memory is a host that is not the real one.
type Memory interface {
	Publish(Event) (string, error)
	Get(bucket, key string) ([]byte, error)
	Set(bucket, key string, value []byte) error
	Delete(bucket, key string) error
	Keys(bucket string) ([]string, error)
	Add(bucket, key string, delta int64) (int64, error)
	Config(key string) (string, bool)
	Secret(name string) (string, error)
	Log(level Level, group, message string)
	Now() time.Time
	Random(length int) []byte
}

// Current is the host that this process has. Only one attempt runs at a time.
var Current Memory

func current() Memory {
	if Current == nil {
		panic("there is no host here: run the handler by wharf/wharftest")
	}
	return Current
}

func Publish(draft Event) (string, error)            { return current().Publish(draft) }
func Get(bucket, key string) ([]byte, error)         { return current().Get(bucket, key) }
func Set(bucket, key string, value []byte) error     { return current().Set(bucket, key, value) }
func Delete(bucket, key string) error                { return current().Delete(bucket, key) }
func Keys(bucket string) ([]string, error)           { return current().Keys(bucket) }
func Config(key string) (value string, isThere bool) { return current().Config(key) }
func Secret(name string) (string, error)             { return current().Secret(name) }
func Log(level Level, group, message string)         { current().Log(level, group, message) }
func Now() time.Time                                 { return current().Now() }
func Random(length int) []byte                       { return current().Random(length) }

func Exists(bucket, key string) (bool, error) {
	value, err := current().Get(bucket, key)
	return value != nil, err
}

func Add(bucket, key string, delta int64) error {
	_, err := current().Add(bucket, key, delta)
	return err
}

func Increment(bucket, key string, delta uint64) (uint64, error) {
	sum, err := current().Add(bucket, key, int64(delta))
	return uint64(sum), err
}
