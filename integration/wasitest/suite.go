// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// wanted is what the program works on.
const wanted = "a checkout of https://github.com/WebAssembly/wasi-testsuite, branch prod/testsuite-base (it has the modules)"

// testCase is one module of the suite.
type testCase struct {
	language string // "assemblyscript", "c", "rust"
	name     string
	module   string // its file
	// spec holds when fault is nil.
	spec  specification
	fault error
}

// String is what -run matches.
func (c testCase) String() string { return c.language + "/" + c.name }

// specification is what the suite calls the legacy configuration; all its preview
// 1 cases have it. Absent members have the zero value.
type specification struct {
	Args     []string          `json:"args"`
	Env      map[string]string `json:"env"`
	Root     string            `json:"root"` // relative to the specification; "" is no directory at all
	ExitCode int               `json:"exit_code"`
	Stdout   *string           `json:"stdout"` // nil is not checked
	Stderr   *string           `json:"stderr"`
}

// find returns the cases of a checkout, in the order of their names. None at all
// is an error.
func find(suite string, match *regexp.Regexp) (cases []testCase, err error) {
	modules, err := filepath.Glob(filepath.Join(suite, "tests", "*", "testsuite", "wasm32-wasip1", "*.wasm"))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", suite, err)
	}
	for _, module := range modules {
		c := testCase{
			language: filepath.Base(filepath.Dir(filepath.Dir(filepath.Dir(module)))),
			name:     strings.TrimSuffix(filepath.Base(module), ".wasm"),
			module:   module,
		}
		if match.MatchString(c.String()) {
			c.spec, c.fault = readSpecification(strings.TrimSuffix(module, ".wasm") + ".json")
			cases = append(cases, c)
		}
	}
	switch {
	case len(modules) == 0:
		return nil, fmt.Errorf("%s: no file tests/*/testsuite/wasm32-wasip1/*.wasm: not %s", suite, wanted)
	case len(cases) == 0:
		return nil, fmt.Errorf("%s: none of its %d cases matches %q", suite, len(modules), match)
	}
	return cases, nil
}

// readSpecification reads a case's specification. A file that is absent is an
// empty one. What it asks for beyond our knowledge is an error: the case would be
// another one without it.
func readSpecification(name string) (s specification, err error) {
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return s, fmt.Errorf("%s: %w", name, err)
	}
	if s.Root != "" && !filepath.IsLocal(s.Root) {
		return s, fmt.Errorf("%s: root %q: not below the specification", name, s.Root)
	}
	return s, nil
}

// root is the directory the case is given a copy of, "" for none.
func (c testCase) root() string {
	if c.spec.Root == "" {
		return ""
	}
	return filepath.Join(filepath.Dir(c.module), c.spec.Root)
}
