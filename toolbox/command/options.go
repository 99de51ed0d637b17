// SPDX-License-Identifier: Apache-2.0

package command

import (
	"fmt"
	"slices"
	"strings"
)

// Options are the options a command was called with, by their first name.
type Options map[string][]string

// Has says whether an option was given.
func (o Options) Has(name string) bool { return len(o[name]) > 0 }

// Value is the value of an option, the last if it was given more than once, or the default.
func (o Options) Value(name, otherwise string) string {
	if values := o[name]; len(values) > 0 {
		return values[len(values)-1]
	}
	return otherwise
}

// grammar is which options there are: each name leads to the first name of its option.
type grammar struct {
	first   map[string]string
	valued  map[string]bool
	numbers bool
	ordered bool
}

// parseGrammar reads a list of options, apart by spaces: names of one option are apart by "|", a
// ":" in it says that it takes a value. The word "#" stands for -NUMBER; "+" says that options end where
// the first operand is.
func parseGrammar(spec string) grammar {
	g := grammar{first: map[string]string{}, valued: map[string]bool{}}
	for _, word := range strings.Fields(spec) {
		switch word {
		case "#":
			g.numbers = true
			continue
		case "+":
			g.ordered = true
			continue
		}
		names := strings.Split(strings.ReplaceAll(word, ":", ""), "|")
		for _, name := range names {
			g.first[name] = names[0]
		}
		g.valued[names[0]] = strings.Contains(word, ":")
	}
	return g
}

// Options takes the options out of the arguments and returns them and the operands. See parseGrammar
// for the grammar. "--" ends the options, "-" is an operand.
func (c *Call) Options(spec string) (Options, []string, error) {
	return ParseOptions(spec, c.Args)
}

// ParseOptions is Call.Options for any arguments.
func ParseOptions(spec string, args []string) (Options, []string, error) {
	g, o := parseGrammar(spec), Options{}
	var operands []string
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		var err error
		switch {
		case arg == "--":
			return o, append(operands, args...), nil
		case len(arg) < 2 || arg[0] != '-':
			operands = append(operands, arg)
			if g.ordered {
				return o, append(operands, args...), nil
			}
		case strings.HasPrefix(arg, "--"):
			args, err = g.long(o, arg[2:], args)
		case g.numbers && isNumber(arg[1:]):
			o["#"] = append(o["#"], arg[1:])
		default:
			args, err = g.short(o, arg[1:], args)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	return o, operands, nil
}

func (g grammar) long(o Options, word string, args []string) ([]string, error) {
	name, value, has := strings.Cut(word, "=")
	first, known := g.first[name]
	switch {
	case !known || len(name) < 2:
		return nil, fmt.Errorf("unrecognized option '--%s'", name)
	case g.valued[first] && !has:
		if len(args) == 0 {
			return nil, fmt.Errorf("option '--%s' requires an argument", name)
		}
		value, args = args[0], args[1:]
	case has && !g.valued[first]:
		return nil, fmt.Errorf("option '--%s' doesn't allow an argument", name)
	}
	o[first] = append(o[first], value)
	return args, nil
}

func (g grammar) short(o Options, letters string, args []string) ([]string, error) {
	for i, letter := range letters {
		name := string(letter)
		first, known := g.first[name]
		if !known {
			return nil, fmt.Errorf("invalid option -- '%s'", name)
		}
		if !g.valued[first] {
			o[first] = append(o[first], "")
			continue
		}
		value := letters[i+len(name):]
		if value == "" {
			if len(args) == 0 {
				return nil, fmt.Errorf("option requires an argument -- '%s'", name)
			}
			value, args = args[0], args[1:]
		}
		o[first] = append(o[first], value)
		break
	}
	return args, nil
}

func isNumber(s string) bool {
	return s != "" && !slices.ContainsFunc([]byte(s), func(b byte) bool { return b < '0' || b > '9' })
}
