package wharf

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// decode reads a payload. What does not fit is a rejection that names the place, since no retry can mend it.
func decode(data []byte, into any) error {
	if bytes, isBytes := into.(*[]byte); isBytes {
		*bytes = data
		return nil
	}
	err := json.Unmarshal(data, into)
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrong):
		return unfit(wrong.Field, fmt.Sprintf("expected %s, got %s", wrong.Type, wrong.Value))
	case err != nil:
		return unfit("", err.Error())
	}
	if place := missing(reflect.TypeOf(into).Elem(), data); place != "" {
		return unfit(place, "it is missing")
	}
	return nil
}

func unfit(place, what string) error {
	if place == "" {
		place = "."
	}
	return Reject("the payload is not what this plugin takes: at `%s`: %s", place, what)
}

// missing is the first member that a type needs and a text of JSON does not have. Pointers, slices, maps and interfaces may be absent,
// and so may what is marked `omitempty` or `omitzero`.
func missing(of reflect.Type, data []byte) string {
	for of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	if reflect.PointerTo(of).Implements(reflect.TypeFor[json.Unmarshaler]()) {
		return ""
	}
	switch of.Kind() {
	case reflect.Struct:
		var members map[string]json.RawMessage
		if json.Unmarshal(data, &members) != nil || members == nil {
			return ""
		}
		return missingOf(of, members)
	case reflect.Slice, reflect.Array:
		var items []json.RawMessage
		if json.Unmarshal(data, &items) != nil {
			return ""
		}
		for n, item := range items {
			if place := missing(of.Elem(), item); place != "" {
				return fmt.Sprintf("[%d].%s", n, place)
			}
		}
	}
	return ""
}

func missingOf(of reflect.Type, members map[string]json.RawMessage) string {
	for n := range of.NumField() {
		field := of.Field(n)
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if field.Anonymous && name == "" {
			if field.Type.Kind() == reflect.Struct {
				if place := missingOf(field.Type, members); place != "" {
					return place
				}
			}
			continue
		}
		if !field.IsExported() || name == "-" {
			continue
		}
		if name == "" {
			name = field.Name
		}
		value, isThere := member(members, name)
		if !isThere || string(value) == "null" {
			if !mayBeAbsent(field.Type, options) {
				return name
			}
			continue
		}
		if place := missing(field.Type, value); place != "" {
			return name + "." + place
		}
	}
	return ""
}

func mayBeAbsent(of reflect.Type, options string) bool {
	switch of.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface:
		return true
	}
	return strings.Contains(options, "omitempty") || strings.Contains(options, "omitzero")
}

// member finds a member as encoding/json does: by its name, and else by that in other letters.
func member(members map[string]json.RawMessage, name string) (json.RawMessage, bool) {
	if value, isThere := members[name]; isThere {
		return value, true
	}
	for other, value := range members {
		if strings.EqualFold(other, name) {
			return value, true
		}
	}
	return nil, false
}

// encode writes a payload, and says what it is: nil is none, bytes are themselves, all else is JSON.
func encode(data any) (payload []byte, contentType string, err error) {
	switch data := data.(type) {
	case nil:
		return nil, "", nil
	case []byte:
		if data == nil {
			data = []byte{}
		}
		return data, "application/octet-stream", nil
	}
	payload, err = json.Marshal(data)
	return payload, "application/json", err
}
