// SPDX-License-Identifier: Apache-2.0

package shell

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/expand"

	"github.com/wazelet/wazelet/toolbox/command"
)

// builtin is a command that changes the shell itself. args[0] is its name.
type builtin func(ctx context.Context, s *shell, args []string) int

// specials are POSIX's special builtins, builtins the others. Filled in init: they refer to
// functions that run commands.
var specials, builtins map[string]builtin

func init() {
	specials = map[string]builtin{
		":": succeed, "break": breakLoop, "continue": breakLoop, "return": returnFrom, "exit": exit,
		"eval": eval, ".": source1, "source": source1, "exec": execute, "set": set, "shift": shift,
		"trap": trap, "unset": unset, "times": unavailable,
	}
	builtins = map[string]builtin{
		"cd": cd, "read": read, "command": commandBuiltin, "type": typeOf, "getopts": getopts,
		"wait": func(ctx context.Context, s *shell, args []string) int { return s.wait(ctx, args) },
		"kill": func(ctx context.Context, s *shell, args []string) int { return s.kill(ctx, args) },
		"jobs": func(_ context.Context, s *shell, _ []string) int { return s.listJobs() },
		"pwd":  pwd, "hash": succeed, "umask": unavailable, "ulimit": unavailable, "alias": unavailable,
		"unalias": unavailable, "fg": unavailable, "bg": unavailable, "help": help,
	}
}

func printTo(w io.Writer, format string, args ...any) { fmt.Fprintf(w, format, args...) }

func sortedNames[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func succeed(context.Context, *shell, []string) int { return 0 }

// reasons say why a builtin that POSIX has is not here.
var reasons = map[string]string{
	"times": "WASI does not tell what a process has used",
	"umask": "WASI has no file mode", "ulimit": "limits are the container's",
	"alias": "define a function", "unalias": "there are none", "fg": "there is no job control", "bg": "there is no job control",
}

func unavailable(_ context.Context, s *shell, args []string) int {
	return s.errorf("%s: %s", args[0], reasons[args[0]])
}

func help(_ context.Context, s *shell, _ []string) int {
	printTo(s.stdout(), "builtins: %s\ncommands: %s\n",
		strings.Join(append(sortedNames(specials), sortedNames(builtins)...), " "), strings.Join(s.table.Names(), " "))
	return 0
}

// number reads the optional numeric argument of break, return and their kin.
func (s *shell) number(args []string, otherwise int) (int, bool) {
	if len(args) < 2 {
		return otherwise, true
	}
	n, err := strconv.Atoi(args[1])
	if err != nil || n < 0 {
		s.status = 2
		s.errorf("%s: %s: a number is needed", args[0], args[1])
		return 2, false
	}
	return n, true
}

func breakLoop(_ context.Context, s *shell, args []string) int {
	n, ok := s.number(args, 1)
	if !ok || n == 0 || s.loops == 0 {
		return boolStatus(ok)
	}
	s.levels = min(n, s.loops)
	s.flow = flowBreak
	if args[0] == "continue" {
		s.flow = flowContinue
	}
	return 0
}

func returnFrom(_ context.Context, s *shell, args []string) int {
	n, _ := s.number(args, s.status)
	if s.calls == 0 {
		return s.errorf("return: only in a function or a sourced file")
	}
	s.flow = flowReturn
	return n & 0xff
}

func exit(_ context.Context, s *shell, args []string) int {
	n, _ := s.number(args, s.status)
	s.flow = flowExit
	return n & 0xff
}

func eval(ctx context.Context, s *shell, args []string) int {
	s.evaluate(ctx, strings.Join(args[1:], " "))
	return s.status
}

// source1 runs a file in this shell.
func source1(ctx context.Context, s *shell, args []string) int {
	if len(args) < 2 {
		return s.errorf("%s: which file?", args[0])
	}
	f, err := os.Open(s.path(s.onPath(args[1])))
	if err != nil {
		return s.errorf("%s: %s", args[1], command.Reason(err))
	}
	defer f.Close()
	params := s.params
	if len(args) > 2 {
		s.params = args[2:]
		defer func() { s.params = params }()
	}
	s.calls++
	s.run(ctx, f, args[1])
	s.calls--
	if s.flow == flowReturn {
		s.flow = flowNone
	}
	return s.status
}

// onPath finds a file to be sourced: on PATH where its name has no slash, then here.
func (s *shell) onPath(name string) string {
	if strings.Contains(name, "/") {
		return name
	}
	for _, dir := range strings.Split(s.text("PATH"), ":") {
		file := s.path(filepath.Join(dir, name))
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() {
			return file
		}
	}
	return name
}

func execute(ctx context.Context, s *shell, args []string) int {
	if len(args) == 1 {
		return 0
	}
	s.flow = flowExit
	delete(s.traps, "EXIT") // the shell is replaced, and with it its traps
	return s.external(ctx, args[1:])
}

func set(_ context.Context, s *shell, args []string) int {
	if len(args) == 1 {
		vars := s.vars.flat().vars
		for _, name := range sortedNames(vars) {
			if vars[name].IsSet() {
				printTo(s.stdout(), "%s=%s\n", name, quote(vars[name].String()))
			}
		}
		return 0
	}
	if slices.Equal(args[1:], []string{"-o"}) || slices.Equal(args[1:], []string{"+o"}) {
		for _, name := range sortedNames(optionNames) {
			state := "off"
			if s.opts.has(optionNames[name]) {
				state = "on"
			}
			printTo(s.stdout(), "%-15s %s\n", name, state)
		}
		return 0
	}
	_, rest, err := s.opts.parse(args[1:], "")
	if err != nil {
		s.errorf("set: %v", err)
		return 2
	}
	if rest != nil {
		s.params = rest
	}
	return 0
}

func shift(_ context.Context, s *shell, args []string) int {
	n, ok := s.number(args, 1)
	if !ok || n > len(s.params) {
		return 1
	}
	s.params = s.params[n:]
	return 0
}

// trap keeps what is to be run at the exit. Signals may be named, as scripts do; WASI delivers none.
func trap(_ context.Context, s *shell, args []string) int {
	args = args[1:]
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		for _, name := range sortedNames(s.traps) {
			printTo(s.stdout(), "trap -- %s %s\n", quote(s.traps[name]), name)
		}
		return 0
	}
	action, names := args[0], args[1:]
	if len(names) == 0 { // trap EXIT: as before
		action, names = "-", args
	}
	for _, name := range names {
		name = strings.TrimPrefix(strings.ToUpper(name), "SIG")
		if name == "0" {
			name = "EXIT"
		}
		if action == "-" {
			delete(s.traps, name)
		} else {
			s.traps[name] = action
		}
	}
	return 0
}

func unset(_ context.Context, s *shell, args []string) int {
	code, functions := 0, false
	for i, name := range args[1:] {
		if i == 0 && (name == "-f" || name == "-v") {
			functions = name == "-f"
			continue
		}
		if functions {
			delete(s.funcs, name)
			continue
		}
		if !s.vars.get(name).IsSet() && !functions {
			delete(s.funcs, name)
		}
		if err := s.Set(name, expand.Variable{}); err != nil {
			code = s.errorf("unset: %v", err)
		}
	}
	return code
}
