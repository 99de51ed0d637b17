// SPDX-License-Identifier: Apache-2.0

package shell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"
)

// config is how words are expanded now.
func (s *shell) config(ctx context.Context) *expand.Config {
	cfg := &expand.Config{
		Env:     s,
		NoUnset: s.opts.has('u'),
		CmdSubst: func(w io.Writer, cs *syntax.CmdSubst) error {
			return s.substitute(ctx, w, cs)
		},
		ProcSubst: func(*syntax.ProcSubst) (string, error) {
			return "", errors.New("process substitution needs named pipes, which WASI has not")
		},
	}
	if !s.opts.has('f') {
		cfg.ReadDir2 = readDir
	}
	return cfg
}

// substitute runs $(commands).
func (s *shell) substitute(ctx context.Context, w io.Writer, cs *syntax.CmdSubst) error {
	sub := s.subshell()
	if sub.depth > maxDepth {
		return errors.New("nested too deeply")
	}
	sub.fds[1] = stream{out: w}
	if file := onlyInput(cs); file != nil { // $(<file)
		opened, err := sub.redirect([]*syntax.Redirect{file}, sub.config(ctx))
		defer closeAll(opened)
		if err == nil {
			_, err = io.Copy(w, sub.stdin())
		}
		return err
	}
	code := sub.isolated(ctx, func() { sub.stmts(ctx, cs.Stmts) })
	s.substituted, s.status = code, code
	return nil
}

func onlyInput(cs *syntax.CmdSubst) *syntax.Redirect {
	if len(cs.Stmts) != 1 || cs.Stmts[0].Cmd != nil || len(cs.Stmts[0].Redirs) != 1 {
		return nil
	}
	if r := cs.Stmts[0].Redirs[0]; r.Op == syntax.RdrIn {
		return r
	}
	return nil
}

// failed reports an expansion that could not be done. It ends a shell that is not interactive where
// POSIX says so: a variable that must be set and is not.
func (s *shell) failed(err error) {
	s.status = s.errorf("%v", err)
	var unset expand.UnsetParameterError
	if errors.As(err, &unset) {
		if s.status = 2; !s.interactive {
			s.flow = flowExit
		}
	}
}

// fields expands words to arguments.
func (s *shell) fields(ctx context.Context, words []*syntax.Word) ([]string, bool) {
	fields, err := expand.Fields(s.config(ctx), words...)
	if err != nil {
		s.failed(err)
	}
	return fields, err == nil
}

// literal expands one word without splitting it.
func (s *shell) literal(ctx context.Context, word *syntax.Word) (string, bool) {
	if word == nil {
		return "", true
	}
	text, err := expand.Literal(s.config(ctx), word)
	if err != nil {
		s.failed(err)
	}
	return text, err == nil
}

// arithmetic evaluates an expression.
func (s *shell) arithmetic(ctx context.Context, expr syntax.ArithmExpr) (int, bool) {
	n, err := expand.Arithm(s.config(ctx), expr)
	if err != nil {
		s.failed(err)
	}
	return n, err == nil
}

// value is what an assignment assigns.
func (s *shell) value(ctx context.Context, a *syntax.Assign) (expand.Variable, bool) {
	before := s.Get(a.Name.Value)
	result := expand.Variable{Set: true, Kind: expand.String, Exported: before.Exported}
	if a.Array != nil {
		return s.array(ctx, a, before)
	}
	text, ok := s.literal(ctx, a.Value)
	if !ok {
		return result, false
	}
	if a.Index != nil {
		return s.element(ctx, a, before, text)
	}
	if a.Append {
		text = before.String() + text
	}
	result.Str = text
	return result, true
}

func (s *shell) array(ctx context.Context, a *syntax.Assign, before expand.Variable) (expand.Variable, bool) {
	result := expand.Variable{Set: true, Kind: expand.Indexed, List: []string{}}
	if a.Append {
		result.List = append(result.List, before.List...)
	}
	for _, elem := range a.Array.Elems {
		if elem.Index != nil {
			s.status = s.errorf("%s: arrays with written indexes are not supported", a.Name.Value)
			return result, false
		}
		fields, ok := s.fields(ctx, []*syntax.Word{elem.Value})
		if !ok {
			return result, false
		}
		result.List = append(result.List, fields...)
	}
	return result, true
}

// maxIndex bounds an array: what lies between is filled.
const maxIndex = 1 << 16

func (s *shell) element(ctx context.Context, a *syntax.Assign, before expand.Variable, text string) (expand.Variable, bool) {
	result := expand.Variable{Set: true, Kind: expand.Indexed, List: append([]string{}, before.List...)}
	i, ok := s.arithmetic(ctx, a.Index)
	if ok && (i < 0 || i > maxIndex) {
		s.status = s.errorf("%s: index %d is not between 0 and %d", a.Name.Value, i, maxIndex)
		ok = false
	}
	if !ok {
		return result, false
	}
	if before.Kind == expand.String && before.IsSet() {
		result.List = append(result.List, before.Str)
	}
	for len(result.List) <= i {
		result.List = append(result.List, "")
	}
	if a.Append {
		text = result.List[i] + text
	}
	result.List[i] = text
	return result, true
}

// homeOf looks a user up in the container's /etc/passwd.
func homeOf(user string) (string, bool) {
	content, err := os.ReadFile("/etc/passwd")
	if err != nil {
		return "", false
	}
	for line := range strings.SplitSeq(string(content), "\n") {
		if fields := strings.Split(line, ":"); len(fields) >= 7 && fields[0] == user {
			return fields[5], true
		}
	}
	return "", false
}

// trace writes a command before it is run: set -x.
func (s *shell) trace(words []string) {
	if !s.opts.has('x') {
		return
	}
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = quote(word)
	}
	prefix := "+ "
	if ps4 := s.vars.get("PS4"); ps4.IsSet() {
		prefix = ps4.String()
	}
	fmt.Fprintf(s.stderr(), "%s%s\n", prefix, strings.Join(quoted, " "))
}

// quote writes a word so that a shell reads it back.
func quote(word string) string {
	quoted, err := syntax.Quote(word, syntax.LangBash)
	if err != nil {
		return word // a NUL byte; there is no way to write it
	}
	return quoted
}
