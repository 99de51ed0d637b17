// SPDX-License-Identifier: Apache-2.0

package shell

import (
	"context"
	"io"
	goruntime "runtime"
	"sync"
	"time"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"

	"github.com/wazelet/wazelet/toolbox/command"
)

// cancelled is the exit code of what was ended from outside, as by SIGTERM.
const cancelled = 128 + 15

// stmt runs one command with its redirections.
func (s *shell) stmt(ctx context.Context, stmt *syntax.Stmt) {
	if ctx.Err() != nil {
		s.status, s.flow = cancelled, flowExit
		return
	}
	// One thread serves all goroutines, and gives way only when asked: a loop must not keep a
	// pipeline's other commands from running.
	goruntime.Gosched()
	if stmt.Background {
		s.background(stmt)
		return
	}
	s.foreground(ctx, stmt)
}

func (s *shell) foreground(ctx context.Context, stmt *syntax.Stmt) {
	fds := s.fds
	opened, err := s.redirect(stmt.Redirs, s.config(ctx))
	if err != nil {
		s.fds = fds
		closeAll(opened)
		s.failed(err)
		s.checkErrExit(stmt)
		return
	}
	if stmt.Negated {
		s.conditions++
	}
	keep := false
	if stmt.Cmd == nil {
		s.status = 0
	} else {
		keep = s.command(ctx, stmt.Cmd)
	}
	if stmt.Negated {
		s.conditions--
		if s.flow == flowNone {
			s.status = boolStatus(s.status != 0)
		}
	}
	if !keep { // exec without a command keeps its redirections
		s.fds = fds
		closeAll(opened)
	}
	s.checkErrExit(stmt)
}

func closeAll(opened []io.Closer) {
	for _, c := range opened {
		// What could not be written, the command that wrote has reported.
		_ = c.Close()
	}
}

func boolStatus(ok bool) int {
	if ok {
		return 0
	}
	return 1
}

// checkErrExit ends the shell after a command that failed: set -e. Lists and conditions decide
// themselves.
func (s *shell) checkErrExit(stmt *syntax.Stmt) {
	if !s.opts.has('e') || s.status == 0 || s.conditions > 0 || stmt.Negated || s.flow != flowNone {
		return
	}
	switch cmd := stmt.Cmd.(type) {
	case *syntax.BinaryCmd:
		if cmd.Op == syntax.AndStmt || cmd.Op == syntax.OrStmt {
			return // its last command was checked
		}
	case *syntax.IfClause, *syntax.WhileClause, *syntax.ForClause, *syntax.CaseClause, *syntax.Block:
		return // what is in them was checked
	}
	s.flow = flowExit
}

// command runs a command; true: it was exec, and its redirections stay.
func (s *shell) command(ctx context.Context, cmd syntax.Command) (keep bool) {
	switch cmd := cmd.(type) {
	case *syntax.CallExpr:
		return s.simple(ctx, cmd)
	case *syntax.DeclClause:
		s.declare(ctx, cmd)
	case *syntax.Block:
		s.stmts(ctx, cmd.Stmts)
	case *syntax.Subshell:
		sub := s.subshell()
		s.status = sub.isolated(ctx, func() { sub.stmts(ctx, cmd.Stmts) })
	case *syntax.BinaryCmd:
		s.binary(ctx, cmd)
	case *syntax.IfClause:
		s.ifClause(ctx, cmd)
	case *syntax.WhileClause:
		s.whileClause(ctx, cmd)
	case *syntax.ForClause:
		s.forClause(ctx, cmd)
	case *syntax.CaseClause:
		s.caseClause(ctx, cmd)
	case *syntax.FuncDecl:
		s.funcs[cmd.Name.Value] = cmd.Body
		s.status = 0
	default:
		s.extension(ctx, cmd)
	}
	return false
}

// extension runs what POSIX has not.
func (s *shell) extension(ctx context.Context, cmd syntax.Command) {
	switch cmd := cmd.(type) {
	case *syntax.ArithmCmd:
		n, ok := s.arithmetic(ctx, cmd.X)
		s.status = boolStatus(ok && n != 0)
	case *syntax.LetClause:
		for _, expr := range cmd.Exprs {
			n, ok := s.arithmetic(ctx, expr)
			s.status = boolStatus(ok && n != 0)
		}
	case *syntax.TestClause:
		s.status = s.test(ctx, cmd.X)
	case *syntax.TimeClause:
		began := time.Now()
		if cmd.Stmt != nil {
			s.stmt(ctx, cmd.Stmt)
		}
		command.PrintTimes(s.stderr(), time.Since(began))
	default:
		s.status = s.errorf("coprocesses are not supported")
	}
}

// isolated runs something in this subshell, which ends with it, and returns its exit code.
func (s *shell) isolated(ctx context.Context, do func()) int {
	if s.depth > maxDepth {
		return s.errorf("nested too deeply")
	}
	return command.Guard(func() int {
		s.status = 0
		do()
		return s.finish(ctx)
	})
}

// binary runs lists and pipelines.
func (s *shell) binary(ctx context.Context, cmd *syntax.BinaryCmd) {
	if cmd.Op != syntax.AndStmt && cmd.Op != syntax.OrStmt {
		s.pipeline(ctx, cmd)
		return
	}
	s.conditions++
	s.stmt(ctx, cmd.X)
	s.conditions--
	if s.flow == flowNone && (s.status == 0) == (cmd.Op == syntax.AndStmt) {
		s.stmt(ctx, cmd.Y)
	}
}

// pipeline runs commands side by side, each in a subshell, the output of one the input of the next.
func (s *shell) pipeline(ctx context.Context, cmd *syntax.BinaryCmd) {
	parts, both := flatten(cmd)
	codes := make([]int, len(parts))
	var wg sync.WaitGroup
	in := s.fds[0]
	var reader io.Closer
	for i, part := range parts {
		sub := s.subshell()
		sub.fds[0] = in
		ends := []io.Closer{}
		if reader != nil {
			ends = append(ends, reader)
		}
		if i < len(parts)-1 {
			r, w := command.Pipe()
			sub.fds[1] = stream{out: w}
			if both[i] {
				sub.fds[2] = sub.fds[1]
			}
			ends = append(ends, w)
			in, reader = stream{in: command.NewInput(r)}, r
		}
		wg.Go(func() {
			defer closeAll(ends)
			codes[i] = sub.isolated(ctx, func() { sub.stmt(ctx, part) })
		})
	}
	wg.Wait()
	s.status = codes[len(codes)-1]
	if s.opts.has(optPipefail) {
		for _, code := range codes {
			if code != 0 {
				s.status = code
			}
		}
	}
}

// flatten lists the commands of a pipeline; both says which of them pipe standard error too.
func flatten(cmd *syntax.BinaryCmd) (parts []*syntax.Stmt, both []bool) {
	for {
		parts, both = append(parts, cmd.Y), append(both, cmd.Op == syntax.PipeAll)
		next, ok := cmd.X.Cmd.(*syntax.BinaryCmd)
		if !ok || len(cmd.X.Redirs) > 0 || cmd.X.Negated || next.Op == syntax.AndStmt || next.Op == syntax.OrStmt {
			parts = append(parts, cmd.X)
			break
		}
		cmd = next
	}
	for i, j := 0, len(parts)-1; i < j; i, j = i+1, j-1 {
		parts[i], parts[j] = parts[j], parts[i]
	}
	for i, j := 0, len(both)-1; i < j; i, j = i+1, j-1 {
		both[i], both[j] = both[j], both[i]
	}
	return parts, both
}

// condition runs commands whose failure decides, and says whether they succeeded.
func (s *shell) condition(ctx context.Context, list []*syntax.Stmt) bool {
	s.conditions++
	s.stmts(ctx, list)
	s.conditions--
	return s.status == 0
}

func (s *shell) ifClause(ctx context.Context, cmd *syntax.IfClause) {
	for ; cmd != nil; cmd = cmd.Else {
		chosen := len(cmd.Cond) == 0 || s.condition(ctx, cmd.Cond) // an else has none
		if s.flow != flowNone {
			return
		}
		if chosen {
			s.stmts(ctx, cmd.Then)
			return
		}
	}
	s.status = 0
}

// leave says whether the loop that was being run is over, after one round of it.
func (s *shell) leave() bool {
	switch s.flow {
	case flowNone:
		return false
	case flowBreak, flowContinue:
		if s.levels--; s.levels > 0 {
			return true
		}
		over := s.flow == flowBreak
		s.flow = flowNone
		return over
	}
	return true
}

func (s *shell) whileClause(ctx context.Context, cmd *syntax.WhileClause) {
	s.loops++
	defer func() { s.loops-- }()
	status := 0
	for {
		holds := s.condition(ctx, cmd.Cond) != cmd.Until
		if s.flow != flowNone {
			if s.leave() {
				return
			}
			continue
		}
		if !holds {
			s.status = status
			return
		}
		s.stmts(ctx, cmd.Do)
		if status = s.status; s.leave() {
			return
		}
	}
}

func (s *shell) forClause(ctx context.Context, cmd *syntax.ForClause) {
	s.loops++
	defer func() { s.loops-- }()
	switch loop := cmd.Loop.(type) {
	case *syntax.WordIter:
		if cmd.Select {
			s.status = s.errorf("select is not supported")
			return
		}
		items := s.params
		if loop.InPos.IsValid() {
			var ok bool
			if items, ok = s.fields(ctx, loop.Items); !ok {
				return
			}
		}
		s.status = 0
		for _, item := range append([]string(nil), items...) {
			s.assign(loop.Name.Value, item)
			if s.stmts(ctx, cmd.Do); s.leave() {
				return
			}
		}
	case *syntax.CStyleLoop:
		s.countingLoop(ctx, loop, cmd.Do)
	}
}

func (s *shell) countingLoop(ctx context.Context, loop *syntax.CStyleLoop, do []*syntax.Stmt) {
	evaluate := func(expr syntax.ArithmExpr) (int, bool) {
		if expr == nil {
			return 1, true
		}
		return s.arithmetic(ctx, expr)
	}
	if _, ok := evaluate(loop.Init); !ok {
		return
	}
	s.status = 0
	for {
		n, ok := evaluate(loop.Cond)
		if !ok || n == 0 {
			return
		}
		if s.stmts(ctx, do); s.leave() {
			return
		}
		if _, ok := evaluate(loop.Post); !ok {
			return
		}
	}
}

func (s *shell) caseClause(ctx context.Context, cmd *syntax.CaseClause) {
	word, ok := s.literal(ctx, cmd.Word)
	if !ok {
		return
	}
	s.status = 0
	matched := false
	for _, item := range cmd.Items {
		if !matched {
			if matched, ok = s.matchesAny(ctx, item.Patterns, word); !ok {
				return
			}
		}
		if !matched {
			continue
		}
		s.stmts(ctx, item.Stmts)
		switch item.Op {
		case syntax.Fallthrough:
		case syntax.Resume:
			matched = false
		default:
			return
		}
	}
}

func (s *shell) matchesAny(ctx context.Context, patterns []*syntax.Word, word string) (matched, ok bool) {
	for _, p := range patterns {
		text, err := expand.Pattern(s.config(ctx), p)
		if err != nil {
			s.failed(err)
			return false, false
		}
		if matches(text, word) {
			return true, true
		}
	}
	return false, true
}
