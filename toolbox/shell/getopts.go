// SPDX-License-Identifier: Apache-2.0

package shell

import (
	"context"
	"strconv"
	"strings"
)

// found is an option that getopts has come to.
type found struct {
	letter  byte
	value   string
	problem string
	missing bool // the problem is a missing argument
	next    int  // the parameter that follows, from 1
	offset  int  // the letter that follows in it
}

// offsetVariable keeps the place within a word such as -abc.
const offsetVariable = "_OPTOFFSET"

// getopts takes the next option of the parameters, as POSIX describes it.
func getopts(_ context.Context, s *shell, args []string) int {
	if len(args) < 3 {
		s.errorf("getopts: which options, and which variable?")
		return 2
	}
	spec, name, params := args[1], args[2], s.params
	if len(args) > 3 {
		params = args[3:]
	}
	at, err := strconv.Atoi(s.text("OPTIND"))
	if err != nil || at < 1 {
		at = 1
	}
	if at > len(params) || len(params[at-1]) < 2 || params[at-1][0] != '-' || params[at-1] == "--" {
		if at <= len(params) && params[at-1] == "--" {
			s.assign("OPTIND", strconv.Itoa(at+1))
		}
		s.assign(name, "?")
		return 1
	}
	spec, silent := strings.CutPrefix(spec, ":")
	offset, _ := strconv.Atoi(s.text(offsetVariable)) // it is not set at first
	s.setOption(name, nextOption(spec, params, at, min(max(offset, 1), len(params[at-1])-1)), silent)
	return 0
}

// nextOption reads the letter at a place in a parameter, and what belongs to it.
func nextOption(spec string, params []string, at, offset int) found {
	word := params[at-1]
	o := found{letter: word[offset], next: at, offset: offset + 1}
	rest := word[offset+1:]
	i := strings.IndexByte(spec, o.letter)
	takes := i >= 0 && strings.HasPrefix(spec[i+1:], ":")
	switch {
	case i < 0 || o.letter == ':':
		o.problem = "illegal option"
	case takes && rest != "":
		o.value, rest = rest, ""
	case takes && at < len(params):
		o.value, o.next = params[at], at+1
	case takes:
		o.problem, o.missing = "option requires an argument", true
	}
	if rest == "" {
		o.next, o.offset = o.next+1, 1
	}
	return o
}

// setOption tells the script; silent: it reports problems itself.
func (s *shell) setOption(name string, o found, silent bool) {
	s.assign("OPTIND", strconv.Itoa(o.next))
	s.assign(offsetVariable, strconv.Itoa(o.offset))
	letter := string(rune(o.letter))
	switch {
	case o.problem == "":
		s.assign(name, letter)
		s.assign("OPTARG", o.value)
	case silent && o.missing:
		s.assign(name, ":")
		s.assign("OPTARG", letter)
	case silent:
		s.assign(name, "?")
		s.assign("OPTARG", letter)
	default:
		s.assign(name, "?")
		s.assign("OPTARG", "")
		s.errorf("%s -- %s", o.problem, letter)
	}
}
