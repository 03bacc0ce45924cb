// Command wharf-go makes a component of a Go program with handlers: `go run wharf/cmd/wharf-go -o charge.wasm [FOLDER]`.
//
// It runs the program natively to ask what it declares, compiles it by the ordinary compiler, and lets `wharf componentize` make a component
// of that, by the program that WHARF names, or else by the one on PATH. It downloads nothing.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

var worlds = map[string]string{
	"handler": "event-handler", "batch": "event-batch-handler", "transform": "event-transform", "http": "proxy",
}

// describing is compiled with the author's program where it is asked what it declares. Its name makes its init function the last.
const describing = "package main\n\nimport \"wharf\"\n\nfunc init() { wharf.Describe() }\n"

type description struct {
	Kind    string          `json:"kind"`
	On      []string        `json:"on"`
	OrderBy string          `json:"order_by"`
	Retry   json.RawMessage `json:"retry"`
	Needs   json.RawMessage `json:"needs"`
}

// section is what the component says of its handlers.
type section struct {
	On      []string        `json:"on"`
	OrderBy string          `json:"order_by,omitempty"`
	Retry   json.RawMessage `json:"retry,omitempty"`
}

func main() {
	output := flag.String("o", "", "where the component goes (default: the folder's name)")
	flag.Parse()
	folder := "."
	if flag.NArg() > 0 {
		folder = flag.Arg(0)
	}
	if err := build(folder, *output); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func build(folder, output string) error {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return err
	}
	if output == "" {
		output = filepath.Base(folder) + ".wasm"
	}
	work, err := os.MkdirTemp("", "wharf-go-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	declared, err := describe(folder, work)
	if err != nil {
		return err
	}
	module := filepath.Join(work, "module.wasm")
	compile := exec.Command("go", "build", "-tags", "wharf_"+declared.Kind, "-buildmode=c-shared", "-trimpath", "-ldflags=-s -w", "-o", module, ".")
	compile.Dir = folder
	compile.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if _, err := run(compile); err != nil {
		return err
	}
	arguments := []string{"componentize", module, "--to", output, "--world", worlds[declared.Kind]}
	if declared.Kind == "transform" {
		// What Go's runtime asks of WASI is answered within the component: a transform imports nothing.
		arguments = append(arguments, "--pure")
	}
	if declared.Needs != nil {
		arguments = append(arguments, "--section", "wharf:needs="+string(declared.Needs))
	}
	if len(declared.On) > 0 {
		said, err := json.Marshal(section{declared.On, declared.OrderBy, declared.Retry})
		if err != nil {
			return err
		}
		arguments = append(arguments, "--section", "wharf:handler="+string(said))
	}
	wharf := os.Getenv("WHARF")
	if wharf == "" {
		wharf = "wharf"
	}
	if _, err := run(exec.Command(wharf, arguments...)); err != nil {
		return err
	}
	fmt.Println(output)
	return nil
}

// describe runs the program as far as its init functions. Nothing is written into the author's folder.
func describe(folder, work string) (*description, error) {
	source := filepath.Join(work, "describe.go")
	if err := os.WriteFile(source, []byte(describing), 0o600); err != nil {
		return nil, err
	}
	replaced, err := json.Marshal(map[string]map[string]string{"Replace": {filepath.Join(folder, "zz_wharf_describe.go"): source}})
	if err != nil {
		return nil, err
	}
	overlay := filepath.Join(work, "overlay.json")
	if err := os.WriteFile(overlay, replaced, 0o600); err != nil {
		return nil, err
	}
	ask := exec.Command("go", "run", "-overlay", overlay, ".")
	ask.Dir = folder
	text, err := run(ask)
	if err != nil {
		return nil, err
	}
	var declared description
	if err := json.Unmarshal(text, &declared); err != nil {
		return nil, fmt.Errorf("what the program says of itself: %w", err)
	}
	return &declared, nil
}

func run(command *exec.Cmd) ([]byte, error) {
	var words bytes.Buffer
	command.Stderr = &words
	text, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", strings.Join(command.Args, " "), err, strings.TrimSpace(words.String()))
	}
	return text, nil
}
