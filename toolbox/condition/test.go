// SPDX-License-Identifier: Apache-2.0

package condition

import (
	"context"
	"errors"
	"fmt"

	"github.com/wazelet/wazelet/toolbox/command"
)

// Commands are test and [.
func Commands() map[string]command.Func {
	return map[string]command.Func{"test": test, "[": test}
}

func test(_ context.Context, c *command.Call) int {
	e := Evaluator{Path: c.Path, Streams: [3]any{c.Stdin, c.Stdout, c.Stderr}}
	args := c.Args
	if c.Name == "[" {
		if len(args) == 0 || args[len(args)-1] != "]" {
			return c.Usage(errors.New("missing ]"))
		}
		args = args[:len(args)-1]
	}
	holds, err := e.Evaluate(args)
	switch {
	case err != nil:
		return c.Usage(err)
	case holds:
		return 0
	}
	return 1
}

// maxNesting bounds parentheses and negations.
const maxNesting = 100

// Evaluate evaluates the arguments of test. Up to four of them mean what POSIX says by their number;
// more are an expression of !, ( ), -a and -o.
func (e Evaluator) Evaluate(args []string) (bool, error) {
	switch len(args) {
	case 0:
		return false, nil
	case 1:
		return args[0] != "", nil
	case 2:
		if args[0] == "!" {
			return args[1] == "", nil
		}
		if !isOneOf(args[0], unary) {
			return false, fmt.Errorf("%s: unknown operator", args[0])
		}
		return e.Unary(args[0], args[1])
	case 3:
		if isOneOf(args[1], binary) {
			return e.Binary(args[0], args[1], args[2])
		}
	}
	p := parser{e: e, rest: args}
	holds, err := p.or(0)
	if err == nil && len(p.rest) > 0 {
		err = fmt.Errorf("%s: not expected here", p.rest[0])
	}
	return holds, err
}

// parser evaluates while it reads.
type parser struct {
	e    Evaluator
	rest []string
}

func (p *parser) next() (word string) {
	if len(p.rest) > 0 {
		word, p.rest = p.rest[0], p.rest[1:]
	}
	return word
}

func (p *parser) at(word string) bool { return len(p.rest) > 0 && p.rest[0] == word }

func (p *parser) or(depth int) (bool, error) {
	holds, err := p.and(depth)
	for err == nil && p.at("-o") {
		p.next()
		var right bool
		right, err = p.and(depth)
		holds = holds || right
	}
	return holds, err
}

func (p *parser) and(depth int) (bool, error) {
	holds, err := p.primary(depth)
	for err == nil && p.at("-a") {
		p.next()
		var right bool
		right, err = p.primary(depth)
		holds = holds && right
	}
	return holds, err
}

func (p *parser) primary(depth int) (bool, error) {
	switch {
	case depth > maxNesting:
		return false, errors.New("nested too deeply")
	case len(p.rest) == 0:
		return false, errors.New("an operand is missing")
	case len(p.rest) >= 3 && isOneOf(p.rest[1], binary):
		x, op, y := p.rest[0], p.rest[1], p.rest[2]
		p.rest = p.rest[3:]
		return p.e.Binary(x, op, y)
	case p.at("!"):
		p.next()
		holds, err := p.primary(depth + 1)
		return !holds, err
	case p.at("("):
		p.next()
		holds, err := p.or(depth + 1)
		if err == nil && p.next() != ")" {
			err = errors.New("missing )")
		}
		return holds, err
	case len(p.rest) >= 2 && isOneOf(p.rest[0], unary):
		op := p.next()
		return p.e.Unary(op, p.next())
	}
	return p.next() != "", nil
}
