// SPDX-License-Identifier: Apache-2.0

package shell

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"

	"github.com/wazelet/wazelet/toolbox/command"
)

func cd(_ context.Context, s *shell, args []string) int {
	args = args[1:]
	for len(args) > 0 && (args[0] == "-P" || args[0] == "-L" || args[0] == "--") {
		args = args[1:]
	}
	dir := s.text("HOME")
	switch {
	case len(args) > 0 && args[0] == "-":
		if dir = s.text("OLDPWD"); dir == "" {
			return s.errorf("cd: OLDPWD not set")
		}
	case len(args) > 0:
		dir = args[0]
	case dir == "":
		dir = "/"
	}
	target := filepath.Clean(s.path(dir))
	info, err := os.Stat(target)
	if err == nil && !info.IsDir() {
		err = syscall.ENOTDIR
	}
	if err == nil {
		err = searchable(target)
	}
	if err != nil {
		return s.errorf("cd: %s: %s", dir, command.Reason(err))
	}
	if len(args) > 0 && args[0] == "-" {
		printTo(s.stdout(), "%s\n", target)
	}
	s.assign("OLDPWD", s.dir)
	s.dir = target
	s.assign("PWD", target)
	return 0
}

// searchable says whether names in a directory can be looked up; WASI does not tell it otherwise.
func searchable(dir string) error {
	if _, err := os.Lstat(dir + "/."); errors.Is(err, fs.ErrPermission) {
		return err
	}
	return nil
}

func pwd(_ context.Context, s *shell, args []string) int {
	dir := s.dir
	if len(args) > 1 && args[1] == "-P" {
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			dir = real
		}
	}
	printTo(s.stdout(), "%s\n", dir)
	return 0
}

// maxLine bounds what read takes.
const maxLine = 1 << 20

// read reads a line into variables.
func read(_ context.Context, s *shell, args []string) int {
	o, names, err := command.ParseOptions("+ r p: s n: d: t: a:", args[1:])
	if err != nil || o.Has("t") || o.Has("a") {
		if err == nil {
			err = errors.New("-t and -a are not supported")
		}
		s.errorf("read: %v", err)
		return 2
	}
	limit, err := strconv.Atoi(o.Value("n", strconv.Itoa(maxLine)))
	if err != nil || limit < 0 {
		return s.errorf("read: -n %s: a number is needed", o.Value("n", ""))
	}
	if prompt := o.Value("p", ""); prompt != "" && command.IsTerminal(s.stdin()) {
		printTo(s.stderr(), "%s", prompt)
	}
	line, complete := readLine(s.stdin(), delimiter(o), o.Has("r"), min(limit, maxLine))
	if len(names) == 0 {
		names = []string{"REPLY"}
	}
	values := expand.ReadFields(&expand.Config{Env: s}, line, len(names), o.Has("r"))
	for i, name := range names {
		if !syntax.ValidName(name) {
			s.errorf("read: '%s' is not a valid name", name)
			return 2
		}
		value := ""
		if i < len(values) {
			value = values[i]
		}
		if err := s.Set(name, expand.Variable{Set: true, Kind: expand.String, Str: value}); err != nil {
			return s.errorf("read: %v", err)
		}
	}
	return boolStatus(complete || o.Has("n") && line != "")
}

func delimiter(o command.Options) byte {
	if !o.Has("d") {
		return '\n'
	}
	if d := o.Value("d", ""); d != "" {
		return d[0]
	}
	return 0
}

// readLine reads up to the delimiter and no byte further; a backslash before a newline joins lines
// unless raw.
func readLine(r io.Reader, end byte, raw bool, limit int) (line string, complete bool) {
	var text bytes.Buffer
	b := make([]byte, 1)
	for text.Len() < limit {
		if n, err := r.Read(b); n == 0 {
			if err != nil {
				return text.String(), false
			}
			continue
		}
		if b[0] == end {
			joined, escaped := bytes.CutSuffix(text.Bytes(), []byte("\\"))
			if raw || !escaped || bytes.HasSuffix(joined, []byte("\\")) {
				return text.String(), true
			}
			text.Truncate(len(joined))
			continue
		}
		text.WriteByte(b[0])
	}
	return text.String(), false
}

// commandBuiltin runs a command past functions of its name, or says what it is (-v, -V).
func commandBuiltin(ctx context.Context, s *shell, args []string) int {
	o, words, err := command.ParseOptions("+ v V p", args[1:])
	switch {
	case err != nil:
		s.errorf("command: %v", err)
		return 2
	case len(words) == 0:
		return 0
	case !o.Has("v") && !o.Has("V"):
		return s.external(ctx, words)
	}
	code := 0
	for _, word := range words {
		kind, text := s.kind(word)
		switch {
		case kind == "":
			code = 127
		case o.Has("V"):
			printTo(s.stdout(), "%s is %s\n", word, kind)
		default:
			printTo(s.stdout(), "%s\n", text)
		}
	}
	return code
}

func typeOf(_ context.Context, s *shell, args []string) int {
	code := 0
	for _, word := range args[1:] {
		kind, _ := s.kind(word)
		if kind == "" {
			printTo(s.stderr(), "%s: not found\n", word)
			code = 127
			continue
		}
		printTo(s.stdout(), "%s is %s\n", word, kind)
	}
	return code
}

// kind is what a word would run: in words, and what `command -v` prints; empty where nothing.
func (s *shell) kind(word string) (kind, text string) {
	if syntax.IsKeyword(word) {
		return "a shell keyword", word
	}
	if s.funcs[word] != nil {
		return "a function", word
	}
	if specials[word] != nil || declaring[word] {
		return "a special shell builtin", word
	}
	if builtins[word] != nil {
		return "a shell builtin", word
	}
	file, err := s.table.Path(s.call(s.vars), word)
	switch {
	case err != nil:
		return "", ""
	case file == "":
		return "a command of the toolbox", word
	}
	return file, file
}

// declaring are the builtins that the grammar knows.
var declaring = map[string]bool{"export": true, "readonly": true, "local": true, "declare": true, "typeset": true}
