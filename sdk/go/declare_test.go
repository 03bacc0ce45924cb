package wharf

import (
	"encoding/json"
	"testing"
)

func TestWhatIsDeclaredIsSaidOnceForAllHandlers(t *testing.T) {
	before := said
	defer func() { said = before }()
	said = description{}
	OrderBy("$.data.n")(&said)
	OrderBy("$.data.n")(&said)
	WithRetries(Retries{Attempts: 3, First: "2s"})(&said)
	text, err := json.Marshal(said)
	if err != nil || string(text) != `{"kind":"","on":null,"order_by":"$.data.n","retry":{"attempts":3,"first":"2s"}}` {
		t.Fatal(string(text), err)
	}
	defer func() {
		if recover() == nil {
			t.Fatal("two paths were taken")
		}
	}()
	OrderBy("$.id")(&said)
}
