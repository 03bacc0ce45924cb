//go:build wasip1

package host

import (
	"fmt"
	"runtime"
	"time"
	"unsafe"

	"wharf/internal/abi"
)

//go:wasmimport wharf:plugin/publisher@0.1.0 publish
func publish(kind string, hasSource int32, source string, hasSubject int32, subject string, hasContentType int32, contentType string,
	extensions unsafe.Pointer, extensionsLen uint32, hasData int32, data unsafe.Pointer, dataLen uint32, area unsafe.Pointer)

//go:wasmimport wasi:keyvalue/store@0.2.0-draft open
func open(name string, area unsafe.Pointer)

//go:wasmimport wasi:keyvalue/store@0.2.0-draft [method]bucket.get
func get(bucket int32, key string, area unsafe.Pointer)

//go:wasmimport wasi:keyvalue/store@0.2.0-draft [method]bucket.set
func set(bucket int32, key string, value unsafe.Pointer, valueLen uint32, area unsafe.Pointer)

//go:wasmimport wasi:keyvalue/store@0.2.0-draft [method]bucket.delete
func remove(bucket int32, key string, area unsafe.Pointer)

//go:wasmimport wasi:keyvalue/store@0.2.0-draft [method]bucket.exists
func exists(bucket int32, key string, area unsafe.Pointer)

//go:wasmimport wasi:keyvalue/store@0.2.0-draft [method]bucket.list-keys
func listKeys(bucket int32, hasCursor int32, cursor uint64, area unsafe.Pointer)

//go:wasmimport wharf:plugin/counters@0.1.0 add
func add(bucket int32, key string, delta int64, area unsafe.Pointer)

//go:wasmimport wasi:keyvalue/atomics@0.2.0-draft increment
func increment(bucket int32, key string, delta uint64, area unsafe.Pointer)

//go:wasmimport wasi:config/store@0.2.0-rc.1 get
func config(key string, area unsafe.Pointer)

//go:wasmimport wharf:secrets/held@0.1.0 get
func held(name string, area unsafe.Pointer)

//go:wasmimport wasi:logging/logging@0.1.0-draft log
func log(level uint32, group, message string)

//go:wasmimport wasi:clocks/wall-clock@0.2.0 now
func now(area unsafe.Pointer)

//go:wasmimport wasi:random/random@0.2.0 get-random-bytes
func random(length uint64, area unsafe.Pointer)

// buckets are open until the instance ends: names are few.
var buckets = map[string]int32{}

func opened(name string) (int32, error) {
	if handle, isOpen := buckets[name]; isOpen {
		return handle, nil
	}
	area := abi.NewArea()
	open(name, area.At(0))
	if err := refused(name, area, 4); err != nil {
		return 0, err
	}
	buckets[name] = int32(area.U32(4))
	return buckets[name], nil
}

// refused is the error of a result whose payload is so many bytes behind its beginning.
func refused(bucket string, area *abi.Area, payload uintptr) error {
	if area.U8(0) == 0 {
		return nil
	}
	switch area.U8(payload) {
	case 0:
		return fmt.Errorf("bucket `%s`: %w", bucket, ErrNoBucket)
	case 1:
		return fmt.Errorf("bucket `%s`: %w", bucket, ErrDenied)
	}
	return fmt.Errorf("bucket `%s`: %s", bucket, area.Text(payload+4))
}

// Publish adds an event to the attempt's effects.
func Publish(draft Event) (string, error) {
	area := abi.NewArea()
	extensions := abi.Attributes(draft.Extensions)
	publish(abi.Sound(draft.Type), has(draft.Source), abi.Sound(draft.Source), has(draft.Subject), abi.Sound(draft.Subject),
		has(draft.ContentType), abi.Sound(draft.ContentType), unsafe.Pointer(unsafe.SliceData(extensions)), uint32(len(extensions)),
		abi.Flag(draft.Data != nil), unsafe.Pointer(unsafe.SliceData(draft.Data)), uint32(len(draft.Data)), area.At(0))
	runtime.KeepAlive(draft)
	abi.Release()
	if area.U8(0) == 0 {
		return area.Text(4), nil
	}
	if area.U8(4) == 0 {
		return "", fmt.Errorf("%w: %s", ErrDenied, area.Text(8))
	}
	return "", fmt.Errorf("%w: %s", ErrInvalid, area.Text(8))
}

func has(text string) int32 { return abi.Flag(text != "") }

// Get is the value under a key; nil if there is none.
func Get(bucket, key string) ([]byte, error) {
	handle, err := opened(bucket)
	if err != nil {
		return nil, err
	}
	abi.Collect()
	area := abi.NewArea()
	get(handle, abi.Sound(key), area.At(0))
	if err := refused(bucket, area, 4); err != nil || area.U8(4) == 0 {
		return nil, err
	}
	value := area.Bytes(8)
	abi.Taken()
	return value, nil
}

// Set stores a value.
func Set(bucket, key string, value []byte) error {
	handle, err := opened(bucket)
	if err != nil {
		return err
	}
	area := abi.NewArea()
	set(handle, abi.Sound(key), unsafe.Pointer(unsafe.SliceData(value)), uint32(len(value)), area.At(0))
	runtime.KeepAlive(value)
	return refused(bucket, area, 4)
}

// Delete removes a key.
func Delete(bucket, key string) error {
	handle, err := opened(bucket)
	if err != nil {
		return err
	}
	area := abi.NewArea()
	remove(handle, abi.Sound(key), area.At(0))
	return refused(bucket, area, 4)
}

// Exists tells whether there is a value under a key.
func Exists(bucket, key string) (bool, error) {
	handle, err := opened(bucket)
	if err != nil {
		return false, err
	}
	area := abi.NewArea()
	exists(handle, abi.Sound(key), area.At(0))
	if err := refused(bucket, area, 4); err != nil {
		return false, err
	}
	return area.U8(4) != 0, nil
}

// Keys are all keys of a bucket, in order.
func Keys(bucket string) ([]string, error) {
	handle, err := opened(bucket)
	if err != nil {
		return nil, err
	}
	var keys []string
	hasCursor, cursor := int32(0), uint64(0)
	for {
		// The page's keys at 8, and at 16 whether there is a cursor, at 24 which.
		abi.Collect()
		area := abi.NewArea()
		listKeys(handle, hasCursor, cursor, area.At(0))
		if err := refused(bucket, area, 8); err != nil {
			return nil, err
		}
		keys = append(keys, area.Texts(8)...)
		abi.Taken()
		if area.U8(16) == 0 {
			return keys, nil
		}
		hasCursor, cursor = 1, area.U64(24)
	}
}

// Add adds to the integer under a key when the attempt commits.
func Add(bucket, key string, delta int64) error {
	handle, err := opened(bucket)
	if err != nil {
		return err
	}
	area := abi.NewArea()
	add(handle, abi.Sound(key), delta, area.At(0))
	return refused(bucket, area, 4)
}

// Increment adds to the integer under a key and gives the sum.
func Increment(bucket, key string, delta uint64) (uint64, error) {
	handle, err := opened(bucket)
	if err != nil {
		return 0, err
	}
	area := abi.NewArea()
	increment(handle, abi.Sound(key), delta, area.At(0))
	if err := refused(bucket, area, 8); err != nil {
		return 0, err
	}
	return area.U64(8), nil
}

// Config is the value of one key of the plugin's configuration.
func Config(key string) (value string, isThere bool) {
	area := abi.NewArea()
	config(abi.Sound(key), area.At(0))
	if area.U8(0) != 0 || area.U8(4) == 0 {
		return "", false
	}
	return area.Text(8), true
}

// Secret is the value of a secret of the plugin's tenant.
func Secret(name string) (string, error) {
	area := abi.NewArea()
	held(abi.Sound(name), area.At(0))
	if area.U8(0) == 0 {
		return area.Text(4), nil
	}
	switch area.U8(4) {
	case 0:
		return "", fmt.Errorf("secret `%s`: %w: %s", name, ErrDenied, area.Text(8))
	case 1:
		return "", fmt.Errorf("secret `%s`: %w: %s", name, ErrNoSecret, area.Text(8))
	}
	return "", fmt.Errorf("secret `%s`: %s", name, area.Text(8))
}

// Log writes one line to the plugin's log.
func Log(level Level, group, message string) { log(uint32(level), group, abi.Sound(message)) }

// Now is the time of day.
func Now() time.Time {
	area := abi.NewArea()
	now(area.At(0))
	return time.Unix(int64(area.U64(0)), int64(area.U32(8)))
}

// Random is so many random bytes that are fit for cryptography.
func Random(length int) []byte {
	area := abi.NewArea()
	random(uint64(length), area.At(0))
	return area.Bytes(0)
}
