// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
)

// machine holds what the steps have read so far.
type machine struct {
	vars           map[string]string
	stdout, stderr io.Writer
}

// stepPattern is verb(kind:name), and for some verbs a link and a second operand.
var stepPattern = regexp.MustCompile(`(?s)^(\w+)\((\w+):(.*?)\)(?:(to|is)\((\w+):(.*)\))?$`)

// operand is a thing that a step names, such as file:/etc/hosts.
type operand struct{ kind, name string }

func (m *machine) do(step string) error {
	p := stepPattern.FindStringSubmatch(step)
	if p == nil {
		return errors.New("not a step")
	}
	verb, link := p[1], p[4]
	first, second := operand{p[2], p[3]}, operand{p[5], p[6]}
	switch verb + link {
	case "assert_exists":
		return m.exists(first, true)
	case "assert_not_exists":
		return m.exists(first, false)
	case "assert_valueis":
		return m.equal(first, second)
	case "readto":
		return m.read(first, second)
	case "writeto":
		return m.write(first, second)
	default:
		return fmt.Errorf("verb %s with link %q is unknown", verb, link)
	}
}

func (m *machine) exists(what operand, want bool) error {
	var found bool
	switch what.kind {
	case "file":
		_, err := os.Stat(what.name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		found = err == nil
	case "env":
		_, found = os.LookupEnv(what.name)
	default:
		return what.unknown()
	}
	if found != want {
		return fmt.Errorf("%s %s: found is %t", what.kind, what.name, found)
	}
	return nil
}

func (m *machine) equal(a, b operand) error {
	got, err := m.value(a)
	if err != nil {
		return err
	}
	want, err := m.value(b)
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("is %q, want %q", got, want)
	}
	return nil
}

func (m *machine) read(from, to operand) error {
	if to.kind != "var" {
		return to.unknown()
	}
	value, err := m.value(from)
	if err == nil {
		m.vars[to.name] = value
	}
	return err
}

func (m *machine) write(from, to operand) error {
	value, err := m.value(from)
	if err != nil {
		return err
	}
	switch {
	case to.kind == "file":
		return os.WriteFile(to.name, []byte(value), 0o644)
	case to == operand{"stm", "stdout"}:
		_, err = fmt.Fprintln(m.stdout, value)
	case to == operand{"stm", "stderr"}:
		_, err = fmt.Fprintln(m.stderr, value)
	default:
		return to.unknown()
	}
	return err
}

// value is what an operand stands for.
func (m *machine) value(o operand) (string, error) {
	switch o.kind {
	case "lit":
		return o.name, nil
	case "var":
		v, ok := m.vars[o.name]
		if !ok {
			return "", fmt.Errorf("variable %s was not read", o.name)
		}
		return v, nil
	case "env":
		v, ok := os.LookupEnv(o.name)
		if !ok {
			return "", fmt.Errorf("environment has no %s", o.name)
		}
		return v, nil
	case "file":
		content, err := os.ReadFile(o.name)
		return string(content), err
	default:
		return "", o.unknown()
	}
}

func (o operand) unknown() error { return fmt.Errorf("%s:%s does not fit here", o.kind, o.name) }
