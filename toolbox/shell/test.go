// SPDX-License-Identifier: Apache-2.0

package shell

import (
	"context"
	"errors"
	"regexp"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/pattern"
	"mvdan.cc/sh/v3/syntax"

	"github.com/wazelet/wazelet/toolbox/condition"
)

// matches says whether a word matches a shell pattern.
func matches(text, word string) bool {
	expr, err := pattern.Regexp(text, pattern.EntireString)
	if err != nil {
		return text == word // no pattern, then it is a word
	}
	re, err := regexp.Compile(expr)
	return err == nil && re.MatchString(word)
}

// test evaluates [[ … ]]: 0 where it holds, 1 where not, 2 where it cannot be told.
func (s *shell) test(ctx context.Context, expr syntax.TestExpr) int {
	holds, err := s.holds(ctx, expr)
	if err != nil {
		s.errorf("%v", err)
		return 2
	}
	return boolStatus(holds)
}

func (s *shell) holds(ctx context.Context, expr syntax.TestExpr) (bool, error) {
	switch x := expr.(type) {
	case *syntax.Word:
		text, err := expand.Literal(s.config(ctx), x)
		return text != "", err
	case *syntax.ParenTest:
		return s.holds(ctx, x.X)
	case *syntax.UnaryTest:
		return s.holdsUnary(ctx, x)
	case *syntax.BinaryTest:
		return s.holdsBinary(ctx, x)
	}
	return false, errors.New("[[: this is not supported")
}

func (s *shell) holdsUnary(ctx context.Context, x *syntax.UnaryTest) (bool, error) {
	if x.Op == syntax.TsNot {
		holds, err := s.holds(ctx, x.X)
		return !holds, err
	}
	word, ok := x.X.(*syntax.Word)
	if !ok {
		return false, errors.New("[[: an operand is missing")
	}
	text, err := expand.Literal(s.config(ctx), word)
	if err != nil {
		return false, err
	}
	switch x.Op {
	case syntax.TsVarSet:
		return s.Get(text).IsSet(), nil
	case syntax.TsOptSet:
		return s.opts.has(optionNames[text]), nil
	}
	return s.condition1().Unary(x.Op.String(), text)
}

// condition1 is how files and descriptors are tested here.
func (s *shell) condition1() condition.Evaluator {
	e := condition.Evaluator{Path: s.path}
	e.Streams[0], e.Streams[1], e.Streams[2] = s.stdin(), s.stdout(), s.stderr()
	return e
}

func (s *shell) holdsBinary(ctx context.Context, x *syntax.BinaryTest) (bool, error) {
	if x.Op == syntax.AndTest || x.Op == syntax.OrTest {
		left, err := s.holds(ctx, x.X)
		if err != nil || left == (x.Op == syntax.OrTest) {
			return left, err
		}
		return s.holds(ctx, x.Y)
	}
	left, lok := x.X.(*syntax.Word)
	right, rok := x.Y.(*syntax.Word)
	if !lok || !rok {
		return false, errors.New("[[: an operand is missing")
	}
	a, err := expand.Literal(s.config(ctx), left)
	if err != nil {
		return false, err
	}
	switch x.Op {
	case syntax.TsMatchShort, syntax.TsMatch, syntax.TsNoMatch:
		text, err := expand.Pattern(s.config(ctx), right)
		return matches(text, a) == (x.Op != syntax.TsNoMatch), err
	}
	b, err := expand.Literal(s.config(ctx), right)
	if err != nil {
		return false, err
	}
	if x.Op == syntax.TsReMatch {
		return s.matchesRegexp(a, b)
	}
	return s.condition1().Binary(a, x.Op.String(), b)
}

// matchesRegexp also sets BASH_REMATCH.
func (s *shell) matchesRegexp(text, expr string) (bool, error) {
	re, err := regexp.Compile(expr)
	if err != nil {
		return false, err
	}
	found := re.FindStringSubmatch(text)
	return found != nil, s.Set("BASH_REMATCH", expand.Variable{Set: true, Kind: expand.Indexed, List: found})
}
