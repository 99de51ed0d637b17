// SPDX-License-Identifier: Apache-2.0

// Package shell is the toolbox's sh: the POSIX shell command language, and of bash what people type
// without thinking, run within one process.
//
// The grammar and the expansions are those of mvdan.cc/sh. What runs them is here, because WASI has
// neither processes nor pipes: every command is a function, a subshell is a copy of the shell's
// values, a pipeline is goroutines with pipes in memory, and `&` is a goroutine.
package shell

import (
	"context"
	"io"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"

	"github.com/wazelet/wazelet/toolbox/command"
)

// maxDepth bounds how deep functions, subshells and sourced files may nest: a runaway recursion is
// to end as an error, and not with the memory of the container.
const maxDepth = 500

// flow is why commands that follow are not run.
type flow int

const (
	flowNone flow = iota
	flowBreak
	flowContinue
	flowReturn
	flowExit
)

// shell is one execution environment, as POSIX calls it: a subshell has a copy.
type shell struct {
	table *command.Table
	name  string // $0
	dir   string
	fds   [maxFD]stream

	vars   *scope
	params []string
	funcs  map[string]*syntax.Stmt
	opts   options
	traps  map[string]string
	jobs   *jobs

	status      int // $?
	flow        flow
	levels      int // of loops that break or continue still has to leave
	loops       int // that are being run
	calls       int // functions and sourced files being run
	depth       int
	conditions  int // of those being evaluated: set -e does not count there
	interactive bool
	pid         int // $!, 0 where there is none
	substituted int // exit code of the last command substitution of this command

	interrupts *command.Interrupts
	// life is how long jobs may run, those of subshells too: longer than the command in front, which
	// an interrupt ends.
	life context.Context
}

// newShell makes the shell of a call.
func newShell(ctx context.Context, c *command.Call) *shell {
	s := &shell{
		table: c.Table, name: c.Name, dir: c.Dir,
		vars: newScope(nil), funcs: map[string]*syntax.Stmt{}, traps: map[string]string{},
		jobs: newJobs(), interrupts: c.Interrupts, life: ctx,
	}
	s.fds[0] = stream{in: command.NewInput(c.Stdin)}
	s.fds[1] = stream{out: c.Stdout}
	s.fds[2] = stream{out: c.Stderr}
	for _, pair := range c.Env {
		if name, value, ok := strings.Cut(pair, "="); ok && syntax.ValidName(name) {
			s.vars.vars[name] = expand.Variable{Set: true, Exported: true, Kind: expand.String, Str: value}
		}
	}
	s.assign("PWD", c.Dir)
	s.assign("IFS", " \t\n")
	for name, value := range map[string]string{"OPTIND": "1", "PATH": "/bin:/usr/bin:/sbin:/usr/sbin"} {
		if !s.vars.get(name).IsSet() {
			s.assign(name, value)
		}
	}
	return s
}

// subshell is a copy that nothing leads back from.
func (s *shell) subshell() *shell {
	sub := *s
	sub.vars = s.vars.flat()
	sub.funcs = make(map[string]*syntax.Stmt, len(s.funcs))
	for name, body := range s.funcs {
		sub.funcs[name] = body
	}
	sub.params = append([]string(nil), s.params...)
	sub.traps = map[string]string{}
	sub.jobs = newJobs()
	sub.depth++
	sub.loops, sub.interactive = 0, false
	return &sub
}

// call is how a command is called in this environment.
func (s *shell) call(vars *scope) *command.Call {
	return &command.Call{
		Name: s.base(), Env: vars.environ(), Dir: s.dir, Table: s.table,
		Stdin: s.stdin(), Stdout: s.stdout(), Stderr: s.stderr(), Interrupts: s.interrupts,
	}
}

// base is what the shell calls itself in messages.
func (s *shell) base() string {
	if i := strings.LastIndexByte(s.name, '/'); i >= 0 {
		return s.name[i+1:]
	}
	return s.name
}

// errorf reports and returns 1.
func (s *shell) errorf(format string, args ...any) int {
	c := command.Call{Name: s.base(), Stderr: s.stderr()}
	return c.Errorf(format, args...)
}

// stmts runs commands until one of them leads elsewhere.
func (s *shell) stmts(ctx context.Context, list []*syntax.Stmt) {
	for _, stmt := range list {
		if s.flow != flowNone {
			return
		}
		s.stmt(ctx, stmt)
	}
}

// finish runs the trap of the exit, and returns the exit code.
func (s *shell) finish(ctx context.Context) int {
	if ctx.Err() != nil {
		return cancelled
	}
	action, trapped := s.traps["EXIT"]
	if !trapped {
		return s.status
	}
	delete(s.traps, "EXIT")
	code := s.status
	s.flow = flowNone
	s.evaluate(ctx, action)
	if s.flow != flowExit {
		s.status = code
	}
	return s.status
}

// evaluate parses and runs a text in this environment.
func (s *shell) evaluate(ctx context.Context, text string) {
	s.run(ctx, strings.NewReader(text), "")
}

// run parses and runs a script, command after command as they are read.
func (s *shell) run(ctx context.Context, r io.Reader, name string) {
	if s.depth++; s.depth > maxDepth {
		s.status, s.flow = s.errorf("nested too deeply"), flowExit
		return
	}
	defer func() { s.depth-- }()
	ran := false
	for stmt, err := range newParser().StmtsSeq(r) {
		if err != nil {
			s.syntaxError(name, err)
			return
		}
		ran = true
		if s.stmt(ctx, stmt); s.flow != flowNone {
			return
		}
	}
	if !ran {
		s.status = 0
	}
}

// newParser parses what people write for sh, and for bash.
func newParser() *syntax.Parser { return syntax.NewParser(syntax.Variant(syntax.LangBash)) }

// syntaxError reports a text that is no shell command; a script ends.
func (s *shell) syntaxError(name string, err error) {
	if name != "" {
		s.errorf("%s: %v", name, err)
	} else {
		s.errorf("%v", err)
	}
	s.status = 2
	if !s.interactive {
		s.flow = flowExit
	}
}
