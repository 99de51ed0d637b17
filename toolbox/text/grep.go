// SPDX-License-Identifier: Apache-2.0

package text

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/wazelet/wazelet/toolbox/command"
)

// grepper is one run of grep.
type grepper struct {
	c       *command.Call
	o       command.Options
	re      *regexp.Regexp
	out     *output
	named   bool // file names are shown
	limit   int
	matched bool
	trouble bool
	shown   bool // something was, so that groups are to be set apart
	before  int
	after   int
}

const grepOptions = "i|ignore-case y v|invert-match n|line-number r|recursive R|dereference-recursive E|extended-regexp " +
	"F|fixed-strings G|basic-regexp P|perl-regexp q|quiet|silent o|only-matching c|count l|files-with-matches " +
	"L|files-without-match w|word-regexp x|line-regexp h|no-filename H|with-filename s|no-messages e|regexp: f|file: " +
	"m|max-count: A|after-context: B|before-context: C|context: a|text I U line-buffered include: exclude: exclude-dir: #"

// grep writes the lines that match: 0 where any did, 1 where none, 2 after trouble.
func grep(_ context.Context, c *command.Call) int {
	given := slices.DeleteFunc(slices.Clone(c.Args), func(arg string) bool { // nothing is coloured here
		return arg == "--color" || arg == "--colour" || strings.HasPrefix(arg, "--color=") || strings.HasPrefix(arg, "--colour=")
	})
	o, args, err := command.ParseOptions(grepOptions, given)
	if err != nil {
		return c.Usage(err)
	}
	patterns, args, err := grepPatterns(c, o, args)
	if err != nil {
		return c.Usage(err)
	}
	g := &grepper{c: c, o: o, limit: -1}
	if err := g.numbers(); err != nil {
		return c.Usage(err)
	}
	if g.re, err = grepExpression(c.Name, o, patterns); err != nil {
		return c.Usage(err)
	}
	recursive := o.Has("r") || o.Has("R")
	if recursive && len(args) == 0 {
		args = []string{"."}
	}
	g.named = (len(args) > 1 || recursive || o.Has("H")) && !o.Has("h")
	g.out = newOutput(c, args)
	g.files(args, recursive)
	return g.code(g.out.finish(c, 1))
}

// code is the exit code; none is that of a search that found nothing.
func (g *grepper) code(none int) int {
	switch {
	case g.matched && (!g.trouble || g.o.Has("q")):
		return 0
	case g.trouble:
		return 2
	}
	return none
}

// numbers reads -m, -A, -B, -C and -NUM.
func (g *grepper) numbers() (err error) {
	around := g.o.Value("C", g.o.Value("#", "0"))
	for _, number := range []struct {
		into  *int
		value string
	}{{&g.limit, g.o.Value("m", "-1")}, {&g.before, g.o.Value("B", around)}, {&g.after, g.o.Value("A", around)}} {
		if *number.into, err = strconv.Atoi(number.value); err != nil || *number.into < 0 && number.into != &g.limit {
			return fmt.Errorf("%s: a number is needed", number.value)
		}
	}
	return nil
}

func grepPatterns(c *command.Call, o command.Options, args []string) (patterns, rest []string, err error) {
	for _, text := range o["e"] {
		patterns = append(patterns, strings.Split(text, "\n")...)
	}
	for _, name := range o["f"] {
		f, err := c.Open(name)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %s", name, command.Reason(err))
		}
		all, err := readAll(f)
		if err = errors.Join(err, f.Close()); err != nil {
			return nil, nil, err
		}
		patterns = append(patterns, all...)
	}
	if !o.Has("e") && !o.Has("f") {
		if len(args) == 0 {
			return nil, nil, errors.New("which pattern?")
		}
		patterns, args = strings.Split(args[0], "\n"), args[1:]
	}
	return patterns, args, nil
}

// grepExpression makes one expression of all patterns.
func grepExpression(name string, o command.Options, patterns []string) (*regexp.Regexp, error) {
	d := reBasic
	switch {
	case o.Has("F") || name == "fgrep":
		d = reFixed
	case o.Has("P"):
		d = reNative
	case o.Has("E") || name == "egrep":
		d = reExtended
	}
	all := make([]string, len(patterns))
	for i, pattern := range patterns {
		text, err := translate(pattern, d)
		if err != nil {
			return nil, err
		}
		all[i] = text
	}
	expr := "(?:" + strings.Join(all, "|") + ")"
	switch {
	case len(patterns) == 0:
		expr = `[^\x00-\x{10FFFF}]` // no pattern matches nothing
	case o.Has("x"):
		expr = "^" + expr + "$"
	case o.Has("w"):
		expr = `\b` + expr + `\b`
	}
	if o.Has("i") || o.Has("y") {
		expr = "(?i)" + expr
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		return nil, fmt.Errorf("%s: not a regular expression", strings.Join(patterns, " "))
	}
	re.Longest()
	return re, nil
}

func (g *grepper) files(names []string, recursive bool) {
	if len(names) == 0 {
		names = []string{"-"}
	}
	for _, name := range names {
		if info, err := os.Stat(g.c.Path(name)); recursive && name != "-" && err == nil && info.IsDir() {
			g.tree(name)
			continue
		}
		g.file(name)
	}
}

// tree searches the files below a directory. Links are not followed: they may lead in circles.
func (g *grepper) tree(name string) {
	root := filepath.Clean(g.c.Path(name))
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		shown := filepath.Join(name, strings.TrimPrefix(path, root))
		if name == "." {
			shown = strings.TrimPrefix(strings.TrimPrefix(path, root), "/")
		}
		switch {
		case err != nil:
			g.problem(shown, err)
			if entry != nil && entry.IsDir() {
				return fs.SkipDir
			}
		case entry.IsDir():
			for _, excluded := range g.o["exclude-dir"] {
				if match, _ := filepath.Match(excluded, entry.Name()); match {
					return fs.SkipDir
				}
			}
		case entry.Type().IsRegular() && g.included(entry.Name()):
			g.file(shown)
		}
		return nil
	})
	if err != nil {
		g.problem(name, err)
	}
}

func (g *grepper) included(name string) bool {
	for _, pattern := range g.o["exclude"] {
		if match, _ := filepath.Match(pattern, name); match {
			return false
		}
	}
	for _, pattern := range g.o["include"] {
		if match, _ := filepath.Match(pattern, name); match {
			return true
		}
	}
	return !g.o.Has("include")
}

func (g *grepper) problem(name string, err error) {
	g.trouble = true
	if !g.o.Has("s") {
		g.c.Problem(name, err)
	}
}

// file searches one file.
func (g *grepper) file(name string) {
	f, err := g.c.Open(name)
	if err != nil {
		g.problem(name, err)
		return
	}
	if name == "-" {
		name = "(standard input)"
	}
	err = g.search(name, f)
	if err := errors.Join(err, f.Close()); err != nil {
		g.problem(name, err)
	}
}

// grepping is one stream that is searched.
type grepping struct {
	*grepper
	name          string
	number, found int      // lines so far, and those that match
	trailing      int      // lines that are still to be shown behind a match
	last          int      // the line shown last
	earlier       []string // lines before a match
	binary        bool
	silent        bool
}

// search goes through a stream.
func (g *grepper) search(name string, r io.Reader) error {
	s := &grepping{grepper: g, name: name, silent: g.o.Has("q") || g.o.Has("l") || g.o.Has("L") || g.o.Has("c")}
	err := lines(r, func(line []byte, _ bool) bool { return s.line(line) })
	g.summary(name, s.found)
	return err
}

// line looks at the next line, and says whether another is of interest.
func (s *grepping) line(line []byte) (more bool) {
	s.number++
	s.binary = s.binary || !s.o.Has("a") && bytes.IndexByte(line, 0) >= 0
	full := s.limit >= 0 && s.found >= s.limit
	switch {
	case full && s.trailing == 0:
		return false
	case full || s.re.Match(line) == s.o.Has("v"):
		s.around(line)
		return true
	}
	s.found++
	switch {
	case s.silent:
		return s.o.Has("c")
	case s.binary:
		s.out.line("Binary file ", s.name, " matches")
		return false
	}
	if first := s.number - len(s.earlier); s.before+s.after > 0 && s.shown && first > s.last+1 {
		s.out.line("--")
	}
	for i, text := range s.earlier {
		s.show(s.name, s.number-len(s.earlier)+i, '-', []byte(text))
	}
	s.earlier, s.trailing, s.last, s.shown = nil, s.after, s.number, true
	s.show(s.name, s.number, ':', line)
	return true
}

// around is a line that does not match, and may be near to one that does.
func (s *grepping) around(line []byte) {
	if s.trailing > 0 && !s.silent {
		s.trailing--
		s.last = s.number
		s.show(s.name, s.number, '-', line)
	} else if s.before > 0 {
		if s.earlier = append(s.earlier, string(line)); len(s.earlier) > s.before {
			s.earlier = s.earlier[1:]
		}
	}
}

func (g *grepper) summary(name string, found int) {
	g.matched = g.matched || (found > 0) != g.o.Has("L")
	switch {
	case g.o.Has("q"):
	case g.o.Has("l") || g.o.Has("L"):
		if (found > 0) == g.o.Has("l") {
			g.out.line(name)
		}
	case g.o.Has("c"):
		prefix := ""
		if g.named {
			prefix = name + ":"
		}
		g.out.line(prefix, strconv.Itoa(found))
	}
}

func (g *grepper) show(name string, number int, mark byte, line []byte) {
	prefix := ""
	if g.named {
		prefix = name + string(rune(mark))
	}
	if g.o.Has("n") {
		prefix += strconv.Itoa(number) + string(rune(mark))
	}
	if !g.o.Has("o") {
		g.out.line(prefix, string(line))
		return
	}
	for _, match := range g.re.FindAll(line, -1) {
		if len(match) > 0 && mark == ':' {
			g.out.line(prefix, string(match))
		}
	}
}
