// SPDX-License-Identifier: Apache-2.0

package text

import (
	"errors"
	"regexp"
	"strings"
)

// dialect is how a regular expression is written.
type dialect int

const (
	reBasic dialect = iota
	reExtended
	reFixed
	reNative // as Go's library has them: near to Perl's
)

// compile translates a POSIX regular expression to Go's and compiles it. Matching takes time linear
// in the text, whatever the expression; back references in it cannot be had for that.
func compile(expr string, d dialect, flags ...string) (*regexp.Regexp, error) {
	translated, err := translate(expr, d)
	if err != nil {
		return nil, err
	}
	re, err := regexp.Compile(strings.Join(flags, "") + translated)
	if err != nil {
		return nil, errors.New(expr + ": not a regular expression")
	}
	re.Longest() // leftmost-longest, as POSIX has it
	return re, nil
}

func translate(expr string, d dialect) (string, error) {
	if d == reFixed {
		return regexp.QuoteMeta(expr), nil
	}
	if d == reNative {
		return expr, nil
	}
	var b strings.Builder
	start := true // of an expression or a group: a star stands for itself there
	for i := 0; i < len(expr); i++ {
		c := expr[i]
		switch c {
		case '\\':
			if i++; i == len(expr) {
				return "", errors.New("trailing backslash")
			}
			text, err := escaped(expr[i], d)
			if err != nil {
				return "", err
			}
			b.WriteString(text)
			start = text == "(" || text == "|"
			continue
		case '[':
			end := bracketEnd(expr, i)
			if end < 0 {
				return "", errors.New("unmatched [")
			}
			b.WriteString(bracket(expr[i:end]))
			i = end - 1
		default:
			text := single(expr, i, start, d)
			if text == "" {
				continue
			}
			b.WriteString(text)
		}
		start = c == '^' && start || d == reExtended && (c == '(' || c == '|')
	}
	return b.String(), nil
}

// single is one character of an expression that is neither escaped nor in brackets; empty for one
// that repeats nothing, or what is repeated already.
func single(expr string, i int, start bool, d dialect) string {
	switch {
	case d == reBasic:
		return basic(expr, i, start)
	case strings.IndexByte("*+?", expr[i]) >= 0 && (start || repeated(expr[:i])):
		return ""
	}
	return expr[i : i+1]
}

// repeated says whether an expression ends in a star, that repeats what may be there or not already.
func repeated(expr string) bool {
	return strings.HasSuffix(expr, "*") && !strings.HasSuffix(expr, `\*`)
}

// basic is one character of a basic expression that is not escaped.
func basic(expr string, i int, start bool) string {
	c := expr[i]
	switch {
	case strings.IndexByte("(){}|+?", c) >= 0:
		return `\` + string(rune(c))
	case c == '*' && start:
		return `\*`
	case c == '^' && !start:
		return `\^`
	case c == '$' && i+1 < len(expr) && !strings.HasPrefix(expr[i+1:], `\)`) && !strings.HasPrefix(expr[i+1:], `\|`):
		return `\$`
	}
	return expr[i : i+1]
}

// escaped is what a backslash and a character mean.
func escaped(c byte, d dialect) (string, error) {
	switch {
	case c >= '1' && c <= '9':
		return "", errors.New("back references in a regular expression are not supported")
	case strings.IndexByte("(){}|+?", c) >= 0 && d == reBasic:
		return string(rune(c)), nil
	case c == '<' || c == '>':
		return `\b`, nil
	case strings.IndexByte("bBwWsSnt", c) >= 0:
		return `\` + string(rune(c)), nil
	}
	return regexp.QuoteMeta(string(rune(c))), nil
}

// bracketEnd is the index behind the bracket expression that begins at i.
func bracketEnd(expr string, i int) int {
	j := i + 1
	if j < len(expr) && expr[j] == '^' {
		j++
	}
	if j < len(expr) && expr[j] == ']' {
		j++
	}
	for j < len(expr) {
		if expr[j] == ']' {
			return j + 1
		}
		if strings.HasPrefix(expr[j:], "[:") {
			if end := strings.Index(expr[j:], ":]"); end > 0 {
				j += end + 1
			}
		}
		j++
	}
	return -1
}

// bracket translates a bracket expression: a backslash is itself in it, and so is a bracket.
func bracket(expr string) string {
	inner := expr[1 : len(expr)-1]
	var b strings.Builder
	b.WriteByte('[')
	if rest, negated := strings.CutPrefix(inner, "^"); negated {
		b.WriteByte('^')
		inner = rest
	}
	for i := 0; i < len(inner); i++ {
		c := inner[i]
		if strings.HasPrefix(inner[i:], "[:") {
			if end := strings.Index(inner[i:], ":]"); end > 0 {
				b.WriteString(inner[i : i+end+2])
				i += end + 1
				continue
			}
		}
		if c == '\\' || c == '[' || c == ']' || c == '^' {
			b.WriteByte('\\')
		}
		b.WriteByte(c)
	}
	b.WriteByte(']')
	return b.String()
}
