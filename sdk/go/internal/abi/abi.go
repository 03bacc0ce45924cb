//go:build wasip1

// Package abi is the canonical ABI of the component model, as far as Wharf's contract needs it: how texts, lists and variants lie in
// memory (https://github.com/WebAssembly/component-model, CanonicalABI.md). Addresses are 32 bits there and 64 in Go.
package abi

import (
	"runtime"
	"strings"
	"unsafe"
)

// Text is where a text lies.
type Text struct{ address, length uint32 }

// Attribute is a record of two texts.
type Attribute struct{ Name, Value Text }

// held keeps alive what only an address in memory names, until the call that it is for is done.
var held []any

// Release lets go of what was sent.
func Release() { clear(held); held = held[:0] }

// Sent is where a text lies that the host is about to read.
func Sent(text string) Text {
	text = Sound(text)
	held = append(held, text)
	return Text{uint32(uintptr(unsafe.Pointer(unsafe.StringData(text)))), uint32(len(text))}
}

// SentBytes is where bytes lie that the host is about to read.
func SentBytes(bytes []byte) Text {
	held = append(held, bytes)
	return Text{uint32(uintptr(unsafe.Pointer(unsafe.SliceData(bytes)))), uint32(len(bytes))}
}

// SentList is where a list lies that the host is about to read.
func SentList[T any](list []T) Text {
	held = append(held, list)
	return Text{uint32(uintptr(unsafe.Pointer(unsafe.SliceData(list)))), uint32(len(list))}
}

// Attributes are the extensions of an event that is sent.
func Attributes(extensions map[string]string) []Attribute {
	list := make([]Attribute, 0, len(extensions))
	for name, value := range extensions {
		list = append(list, Attribute{Sent(name), Sent(value)})
	}
	return list
}

// Sound is a text that the host takes: it is UTF-8.
func Sound(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }

// Flag is a truth as a number.
func Flag(truth bool) int32 {
	if truth {
		return 1
	}
	return 0
}

// String is a received text. Its bytes are Go's own memory, given out by Realloc, so they live as long as it does.
func (t Text) String() string { return unsafe.String((*byte)(t.pointer()), t.length) }

// Bytes are received bytes, never nil.
func (t Text) Bytes() []byte {
	if t.length == 0 {
		return []byte{}
	}
	return unsafe.Slice((*byte)(t.pointer()), t.length)
}

func (t Text) pointer() unsafe.Pointer {
	if t.length == 0 {
		return nil
	}
	return unsafe.Pointer(uintptr(t.address))
}

// List is a received list.
func List[T any](of Text) []T { return unsafe.Slice((*T)(of.pointer()), of.length) }

// Area is where the host puts what a call gives.
type Area [6]uint64

// NewArea is an empty area.
func NewArea() *Area { return new(Area) }

// At is a place in the area.
func (a *Area) At(offset uintptr) unsafe.Pointer { return unsafe.Add(unsafe.Pointer(a), offset) }

// U8, U32, U64, Text, Texts and Bytes read at a place.
func (a *Area) U8(offset uintptr) uint8     { return *(*uint8)(a.At(offset)) }
func (a *Area) U32(offset uintptr) uint32   { return *(*uint32)(a.At(offset)) }
func (a *Area) U64(offset uintptr) uint64   { return *(*uint64)(a.At(offset)) }
func (a *Area) Text(offset uintptr) string  { return (*Text)(a.At(offset)).String() }
func (a *Area) Bytes(offset uintptr) []byte { return (*Text)(a.At(offset)).Bytes() }
func (a *Area) Texts(offset uintptr) []string {
	var texts []string
	for _, text := range List[Text](*(*Text)(a.At(offset))) {
		texts = append(texts, text.String())
	}
	return texts
}

// given is what the host filled and nothing in Go names yet.
var given runtime.Pinner

// Taken lets go of what the host filled, when Go's own values name it.
func Taken() { given.Unpin() }

// early is memory for what is asked for before Go's runtime runs: the state of the adapter between WASI 0.1 and 0.2.
var early [1 << 18]byte
var earlyTaken uintptr
var isRunning bool

func init() { isRunning = true }

// Go's collector looks at the clock, which a component may not do while it gives out memory: the adapter then tells the time that it told
// last.
//
//go:wasmimport wasi_snapshot_preview1 adapter_monotonic_clock_set_paused
func pauseClock(paused bool)

//go:wasmexport cabi_realloc
func realloc(old unsafe.Pointer, oldSize, align, size uintptr) unsafe.Pointer {
	if old != nil || oldSize != 0 {
		panic("the host does not grow what it was given")
	}
	if !isRunning {
		address := uintptr(unsafe.Pointer(&early)) + earlyTaken
		address = (address + align - 1) &^ (align - 1)
		earlyTaken = address + size - uintptr(unsafe.Pointer(&early))
		if earlyTaken > uintptr(len(early)) {
			panic("more memory is asked for before the start than there is")
		}
		return unsafe.Pointer(address)
	}
	if size == 0 {
		return unsafe.Pointer(align)
	}
	pauseClock(true)
	memory := unsafe.Pointer(unsafe.SliceData(make([]uint64, (size+7)/8)))
	given.Pin(memory)
	pauseClock(false)
	return memory
}
