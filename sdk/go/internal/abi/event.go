//go:build wasip1

package abi

// The records of the contract as they lie in memory.

// Maybe is an option of a text or of bytes.
type Maybe struct {
	isThere uint8
	_       [3]uint8
	Text    Text
}

// String is the text, empty if there is none.
func (m Maybe) String() string {
	if m.isThere == 0 {
		return ""
	}
	return m.Text.String()
}

// Bytes are the bytes, nil if there are none.
func (m Maybe) Bytes() []byte {
	if m.isThere == 0 {
		return nil
	}
	return m.Text.Bytes()
}

// SentIfAny is a text, none if it is empty.
func SentIfAny(text string) Maybe {
	if text == "" {
		return Maybe{}
	}
	return Maybe{isThere: 1, Text: Sent(text)}
}

// SentBytesIfAny are bytes, none if they are nil.
func SentBytesIfAny(bytes []byte) Maybe {
	if bytes == nil {
		return Maybe{}
	}
	return Maybe{isThere: 1, Text: SentBytes(bytes)}
}

// Event is types.event.
type Event struct {
	ID, Source, Type                   Text
	Subject, Time, ContentType, Schema Maybe
	Extensions                         Text
	Data                               Maybe
}

// Delivery is types.delivery.
type Delivery struct {
	ID, Rule                         Text
	Attempt, MaxAttempts, DeadlineMs uint32
}

// Item is batch-handler.item, and the arguments of handler.handle.
type Item struct {
	Event    Event
	Delivery Delivery
}

// Failure is types.failure. Of a retry After and Reason are there, of a rejection what is in After is the reason.
type Failure struct {
	Rejects uint8
	_       [7]uint8
	Payload [3]uint64
}

// Outcome is a result that has nothing but its failure.
type Outcome struct {
	Failed  uint8
	_       [7]uint8
	Failure Failure
}
