// SPDX-License-Identifier: Apache-2.0

package shell

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"mvdan.cc/sh/v3/expand"
)

// scope holds variables: those of the shell, or those local to a function.
type scope struct {
	vars   map[string]expand.Variable
	parent *scope
}

func newScope(parent *scope) *scope {
	return &scope{vars: map[string]expand.Variable{}, parent: parent}
}

func (v *scope) get(name string) expand.Variable {
	for ; v != nil; v = v.parent {
		if found, ok := v.vars[name]; ok {
			return found
		}
	}
	return expand.Variable{}
}

// holder is the scope in which a name is set: the innermost that has it, or the outermost.
func (v *scope) holder(name string) *scope {
	for v.parent != nil {
		if _, ok := v.vars[name]; ok {
			return v
		}
		v = v.parent
	}
	return v
}

// flat is a copy of everything that is visible.
func (v *scope) flat() *scope {
	copied := newScope(nil)
	var chain []*scope
	for ; v != nil; v = v.parent {
		chain = append(chain, v)
	}
	for _, level := range slices.Backward(chain) {
		for name, value := range level.vars {
			copied.vars[name] = value
		}
	}
	return copied
}

// environ is what commands get: KEY=value of the exported, sorted.
func (v *scope) environ() []string {
	var env []string
	for name, value := range v.flat().vars {
		if value.Exported && value.IsSet() {
			env = append(env, name+"="+value.String())
		}
	}
	slices.Sort(env)
	return env
}

var errReadOnly = errors.New("is read only")

// set changes a variable. Without a value it is unset.
func (v *scope) set(name string, value expand.Variable) error {
	holder := v.holder(name)
	before := holder.vars[name]
	if before.ReadOnly && (value.Kind != expand.KeepValue || !value.ReadOnly) {
		return fmt.Errorf("%s: %w", name, errReadOnly)
	}
	switch {
	case value.Kind == expand.KeepValue:
		kept := before
		kept.Exported, kept.ReadOnly = value.Exported, value.ReadOnly
		value = kept
	case !value.IsSet() && holder.parent == nil:
		delete(holder.vars, name)
		return nil
	}
	holder.vars[name] = value
	return nil
}

// assign gives a variable a text; it stays exported if it was.
func (s *shell) assign(name, text string) {
	if err := s.Set(name, expand.Variable{Set: true, Kind: expand.String, Str: text}); err != nil {
		s.status = s.errorf("%v", err)
	}
}

// text is the value of a variable.
func (s *shell) text(name string) string { return s.vars.get(name).String() }

// Set implements expand.WriteEnviron.
func (s *shell) Set(name string, value expand.Variable) error {
	if value.Kind != expand.KeepValue && value.IsSet() {
		value.Exported = value.Exported || s.vars.get(name).Exported || s.opts.has('a')
	}
	return s.vars.set(name, value)
}

// Each implements expand.Environ.
func (s *shell) Each(do func(name string, value expand.Variable) bool) {
	for name, value := range s.vars.flat().vars {
		if !do(name, value) {
			return
		}
	}
}

// Get implements expand.Environ: variables and special parameters.
func (s *shell) Get(name string) expand.Variable {
	if name == "@" || name == "*" {
		return expand.Variable{Set: true, Kind: expand.Indexed, List: append([]string{}, s.params...)}
	}
	if text, special := s.special(name); special {
		return expand.Variable{Set: true, Kind: expand.String, Str: text}
	}
	if n, err := strconv.Atoi(name); err == nil {
		if n > len(s.params) {
			return expand.Variable{}
		}
		return expand.Variable{Set: true, Kind: expand.String, Str: s.params[n-1]}
	}
	return s.vars.get(name)
}

// selfPID is the only process there is.
const selfPID = "1"

// started is when the program began, for SECONDS.
var started = time.Now()

func (s *shell) special(name string) (string, bool) {
	switch name {
	case "#":
		return strconv.Itoa(len(s.params)), true
	case "?":
		return strconv.Itoa(s.status), true
	case "$":
		return selfPID, true
	case "PPID":
		return "0", true
	case "!":
		if s.pid == 0 {
			return "", false
		}
		return strconv.Itoa(s.pid), true
	case "-":
		return s.opts.String(), true
	case "0":
		return s.name, true
	case "RANDOM":
		return strconv.Itoa(rand.IntN(1 << 15)), true
	case "SECONDS":
		return strconv.Itoa(int(time.Since(started).Seconds())), true
	case "PWD":
		return s.dir, true // whatever became of the variable
	}
	if user, ok := strings.CutPrefix(name, "HOME "); ok {
		return homeOf(user)
	}
	return "", false
}
