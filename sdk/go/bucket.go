package wharf

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"wharf/internal/host"
)

// Bucket is a key-value bucket. What is read is checked when the attempt commits: if another attempt changed it meanwhile, this one is
// run again.
type Bucket struct {
	name string
}

// Get is the value under a key; nil if there is none.
func (b *Bucket) Get(key string) ([]byte, error) { return host.Get(b.name, key) }

// Set stores a value.
func (b *Bucket) Set(key string, value []byte) error { return host.Set(b.name, key, value) }

// GetJSON reads the value under a key into what `into` points to, if there is one.
func (b *Bucket) GetJSON(key string, into any) (isThere bool, err error) {
	value, err := b.Get(key)
	if err != nil || value == nil {
		return false, err
	}
	if err := json.Unmarshal(value, into); err != nil {
		return true, fmt.Errorf("bucket `%s`, key `%s`: %w", b.name, key, err)
	}
	return true, nil
}

// SetJSON stores a value as JSON.
func (b *Bucket) SetJSON(key string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("bucket `%s`, key `%s`: %w", b.name, key, err)
	}
	return b.Set(key, text)
}

// Delete removes a key; it need not be there.
func (b *Bucket) Delete(key string) error { return host.Delete(b.name, key) }

// Exists tells whether there is a value under a key.
func (b *Bucket) Exists(key string) (bool, error) { return host.Exists(b.name, key) }

// Keys are all keys that begin with prefix, in order.
func (b *Bucket) Keys(prefix string) ([]string, error) {
	all, err := host.Keys(b.name)
	var keys []string
	for _, key := range all {
		if strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	return keys, err
}

// Add adds to the integer under a key when the attempt commits. Such attempts never conflict, since none learns the sum.
func (b *Bucket) Add(key string, delta int64) error { return host.Add(b.name, key, delta) }

// Increment adds to the integer under a key and gives the sum.
func (b *Bucket) Increment(key string, delta uint64) (sum uint64, err error) {
	return host.Increment(b.name, key, delta)
}

// CompareAndSwap stores a value if what is there equals expected; nil expects that there is nothing.
func (b *Bucket) CompareAndSwap(key string, expected, value []byte) (swapped bool, err error) {
	found, err := b.Get(key)
	if err != nil || (found == nil) != (expected == nil) || !bytes.Equal(found, expected) {
		return false, err
	}
	return true, b.Set(key, value)
}
