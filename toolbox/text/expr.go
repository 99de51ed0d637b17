// SPDX-License-Identifier: Apache-2.0

package text

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/wazelet/wazelet/toolbox/command"
)

// expr evaluates an expression of its arguments.
func expr(_ context.Context, c *command.Call) int {
	p := exprParser{rest: c.Args}
	value, err := p.level(0, 0)
	if err == nil && len(p.rest) > 0 {
		err = fmt.Errorf("%s: not expected here", p.rest[0])
	}
	if err != nil {
		return c.Usage(err)
	}
	c.Printf("%s\n", value)
	if value == "" || value == "0" {
		return 1
	}
	return 0
}

type exprParser struct{ rest []string }

// levels are the operators, the weakest first.
var levels = []string{" | ", " & ", " = == != < <= > >= ", " + - ", " * / % ", " : "}

func (p *exprParser) level(n, depth int) (string, error) {
	if n == len(levels) {
		return p.operand(depth)
	}
	left, err := p.level(n+1, depth)
	for err == nil && len(p.rest) > 0 && strings.Contains(levels[n], " "+p.rest[0]+" ") {
		op := p.rest[0]
		p.rest = p.rest[1:]
		var right string
		if right, err = p.level(n+1, depth); err == nil {
			left, err = apply(left, op, right)
		}
	}
	return left, err
}

func (p *exprParser) operand(depth int) (string, error) {
	if len(p.rest) == 0 || depth > 100 {
		return "", errors.New("an operand is missing")
	}
	word := p.rest[0]
	p.rest = p.rest[1:]
	switch {
	case word == "(":
		value, err := p.level(0, depth+1)
		if err == nil && (len(p.rest) == 0 || p.rest[0] != ")") {
			return "", errors.New("missing )")
		}
		if err == nil {
			p.rest = p.rest[1:]
		}
		return value, err
	case word == "+" && len(p.rest) > 0: // what follows is no operator
		word, p.rest = p.rest[0], p.rest[1:]
	case len(p.rest) > 0 && !isOperator(p.rest[0]):
		return p.function(word, depth)
	}
	return word, nil
}

func isOperator(word string) bool {
	return word == ")" || slices.ContainsFunc(levels, func(level string) bool { return strings.Contains(level, " "+word+" ") })
}

// function applies length, substr, index or match; another word is itself.
func (p *exprParser) function(name string, depth int) (string, error) {
	n, known := map[string]int{"length": 1, "index": 2, "match": 2, "substr": 3}[name]
	if !known {
		return name, nil
	}
	var args []string
	for range n {
		arg, err := p.operand(depth + 1)
		if err != nil {
			return "", err
		}
		args = append(args, arg)
	}
	text := []rune(args[0])
	switch name {
	case "length":
		return strconv.Itoa(len(text)), nil
	case "index":
		at := slices.IndexFunc(text, func(r rune) bool { return strings.ContainsRune(args[1], r) })
		return strconv.Itoa(at + 1), nil
	case "match":
		return matchAtStart(args[0], args[1])
	}
	from, err1 := strconv.Atoi(args[1])
	length, err2 := strconv.Atoi(args[2])
	if errors.Join(err1, err2) != nil || from < 1 || from > len(text) || length < 1 {
		return "", nil
	}
	return string(text[from-1 : from-1+min(length, len(text)-from+1)]), nil
}

func apply(left, op, right string) (string, error) {
	switch op {
	case "|":
		if left != "" && left != "0" {
			return left, nil
		}
		return right, nil
	case "&":
		if left == "" || left == "0" || right == "" || right == "0" {
			return "0", nil
		}
		return left, nil
	case ":":
		return matchAtStart(left, right)
	}
	a, errA := strconv.ParseInt(left, 10, 64)
	b, errB := strconv.ParseInt(right, 10, 64)
	if order := strings.Contains(levels[2], " "+op+" "); order {
		d := strings.Compare(left, right)
		if errA == nil && errB == nil {
			d = compareInts(a, b)
		}
		return boolText(ordered(d, op)), nil
	}
	if errA != nil || errB != nil {
		return "", errors.New("numbers are needed")
	}
	return arithmetic(a, op, b)
}

func compareInts(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func ordered(d int, op string) bool {
	switch op {
	case "!=":
		return d != 0
	case "<":
		return d < 0
	case "<=":
		return d <= 0
	case ">":
		return d > 0
	case ">=":
		return d >= 0
	}
	return d == 0
}

func boolText(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

func arithmetic(a int64, op string, b int64) (string, error) {
	n, fits := int64(0), true
	switch op {
	case "+":
		n = a + b
		fits = (n > a) == (b > 0)
	case "-":
		n = a - b
		fits = (n < a) == (b > 0)
	case "*":
		n = a * b
		fits = a == 0 || n/a == b && (a != -1 || b != math.MinInt64)
	default:
		if b == 0 {
			return "", errors.New("division by zero")
		}
		if n = a % b; op == "/" {
			n = a / b
			fits = a != math.MinInt64 || b != -1
		}
	}
	if !fits {
		return "", errors.New("the result is out of range")
	}
	return strconv.FormatInt(n, 10), nil
}

// matchAtStart is expr's `:`: what the group of the expression matched, or how many characters did.
func matchAtStart(text, expr string) (string, error) {
	re, err := compile(expr, reBasic)
	if err != nil {
		return "", err
	}
	found := re.FindStringSubmatchIndex(text)
	grouped := re.NumSubexp() > 0
	switch {
	case (found == nil || found[0] != 0) && grouped:
		return "", nil
	case found == nil || found[0] != 0:
		return "0", nil
	case grouped && found[2] < 0:
		return "", nil
	case grouped:
		return text[found[2]:found[3]], nil
	}
	return strconv.Itoa(len([]rune(text[:found[1]]))), nil
}
