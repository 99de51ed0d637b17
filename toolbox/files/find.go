// SPDX-License-Identifier: Apache-2.0

package files

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/wazelet/wazelet/toolbox/command"
)

// finder is one run of find.
type finder struct {
	ctx      context.Context
	c        *command.Call
	test     predicate
	min, max int
	depth    bool // what is in a directory comes before it
	follow   bool
	prune    bool // set by -prune
	stop     bool // set by -quit
	batches  []*batch
	code     int
}

// found is a file that is looked at.
type found struct {
	name string // as it is printed
	path string
	info fs.FileInfo
}

// predicate is an expression.
type predicate func(f found) bool

// find walks directories and tests what it finds.
func find(ctx context.Context, c *command.Call) int {
	f := &finder{ctx: ctx, c: c, max: 1 << 30}
	args := c.Args
	for len(args) > 0 && (args[0] == "-L" || args[0] == "-H" || args[0] == "-P") {
		f.follow = args[0] == "-L"
		args = args[1:]
	}
	roots, args := findRoots(args)
	p := &findParser{f: f, rest: args}
	test, err := p.or(0)
	if err == nil && len(p.rest) > 0 {
		err = fmt.Errorf("%s: not expected here", p.rest[0])
	}
	if err != nil {
		c.Errorf("%v", err)
		return 1
	}
	if !p.acts {
		matched := test
		test = func(x found) bool { return matched(x) && f.print(x, "\n") }
	}
	f.test = test
	for _, root := range roots {
		f.walk(found{name: root, path: c.Path(root)}, 0)
	}
	for _, b := range f.batches {
		b.run(f)
	}
	return f.code
}

// findRoots takes the places to begin at from the front of the arguments.
func findRoots(args []string) (roots, rest []string) {
	for len(args) > 0 && !strings.HasPrefix(args[0], "-") && args[0] != "(" && args[0] != "!" {
		roots, args = append(roots, args[0]), args[1:]
	}
	if len(roots) == 0 {
		roots = []string{"."}
	}
	return roots, args
}

func (f *finder) print(x found, end string) bool {
	f.c.Printf("%s%s", x.name, end)
	return true
}

func (f *finder) walk(x found, depth int) {
	info, err := f.look(x.path)
	if err != nil {
		f.code = f.c.Problem(x.name, err)
		return
	}
	x.info, f.prune = info, false
	if depth >= f.min && !f.depth {
		f.test(x)
	}
	if info.IsDir() && depth < min(f.max, maxTree) && !f.prune && !f.stop {
		f.below(x, depth)
	}
	if depth >= f.min && f.depth && !f.stop {
		f.test(x)
	}
}

// below walks what is in a directory.
func (f *finder) below(x found, depth int) {
	entries, err := os.ReadDir(x.path)
	if err != nil {
		f.code = f.c.Problem(x.name, err)
	}
	for _, e := range entries {
		if f.stop || f.ctx.Err() != nil {
			return
		}
		f.walk(found{name: strings.TrimSuffix(x.name, "/") + "/" + e.Name(), path: filepath.Join(x.path, e.Name())}, depth+1)
	}
}

// look looks at a file: with -L at what a link leads to, where it leads anywhere.
func (f *finder) look(file string) (fs.FileInfo, error) {
	if f.follow {
		if info, err := os.Stat(file); err == nil {
			return info, nil
		}
	}
	return os.Lstat(file)
}

// maxTree bounds how deep find goes: with -L, links may lead in circles.
const maxTree = 256

// findParser reads an expression.
type findParser struct {
	f    *finder
	rest []string
	acts bool // there was an action: nothing is printed unasked
}

func (p *findParser) next() (word string, err error) {
	if len(p.rest) == 0 {
		return "", errors.New("an argument is missing")
	}
	word, p.rest = p.rest[0], p.rest[1:]
	return word, nil
}

func (p *findParser) at(words ...string) bool {
	for _, word := range words {
		if len(p.rest) > 0 && p.rest[0] == word {
			return true
		}
	}
	return false
}

func (p *findParser) or(depth int) (predicate, error) {
	left, err := p.and(depth)
	for err == nil && p.at("-o", "-or") {
		p.rest = p.rest[1:]
		var right predicate
		if right, err = p.and(depth); err == nil {
			one := left
			left = func(x found) bool { return one(x) || right(x) }
		}
	}
	return left, err
}

func (p *findParser) and(depth int) (predicate, error) {
	left := func(found) bool { return true }
	for len(p.rest) > 0 && !p.at("-o", "-or", ")") {
		if p.at("-a", "-and") {
			p.rest = p.rest[1:]
			continue
		}
		right, err := p.primary(depth)
		if err != nil {
			return nil, err
		}
		one := left
		left = func(x found) bool { return one(x) && right(x) }
	}
	return left, nil
}

func (p *findParser) primary(depth int) (predicate, error) {
	word, err := p.next()
	switch {
	case err != nil:
		return nil, err
	case depth > 100:
		return nil, errors.New("nested too deeply")
	case word == "!" || word == "-not":
		test, err := p.primary(depth + 1)
		return func(x found) bool { return !test(x) }, err
	case word == "(":
		test, err := p.or(depth + 1)
		if err != nil {
			return nil, err
		}
		if closing, err := p.next(); err != nil || closing != ")" {
			return nil, errors.New("missing )")
		}
		return test, nil
	}
	if test := p.action(word); test != nil {
		return test, nil
	}
	if word == "-exec" || word == "-ok" {
		return p.exec()
	}
	value, err := p.next()
	if err != nil {
		return nil, fmt.Errorf("%s: unknown, or its argument is missing", word)
	}
	return p.valued(word, value)
}

// action is what takes no argument.
func (p *findParser) action(word string) predicate {
	f := p.f
	switch word {
	case "-print":
		p.acts = true
		return func(x found) bool { return f.print(x, "\n") }
	case "-print0":
		p.acts = true
		return func(x found) bool { return f.print(x, "\x00") }
	case "-delete":
		p.acts, f.depth = true, true
		return func(x found) bool {
			if err := os.Remove(x.path); err != nil {
				f.code = f.c.Problem(x.name, err)
				return false
			}
			return true
		}
	case "-prune":
		return func(found) bool { f.prune = true; return true }
	case "-quit":
		p.acts = true
		return func(found) bool { f.stop = true; return true }
	case "-depth":
		f.depth = true
	case "-xdev", "-mount", "-true":
	case "-empty":
		return isEmpty
	case "-false":
		return func(found) bool { return false }
	default:
		return nil
	}
	return func(found) bool { return true }
}

func isEmpty(x found) bool {
	if x.info.IsDir() {
		entries, err := os.ReadDir(x.path)
		return err == nil && len(entries) == 0
	}
	return x.info.Mode().IsRegular() && x.info.Size() == 0
}

// valued is what takes one argument.
func (p *findParser) valued(word, value string) (predicate, error) {
	switch word {
	case "-name", "-iname", "-path", "-ipath", "-wholename":
		return nameTest(word, value)
	case "-type":
		return func(x found) bool { return strings.Contains(value, strings.Replace(kindOf(x.info), "-", "f", 1)) }, nil
	case "-maxdepth", "-mindepth":
		n, err := strconv.Atoi(value)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("%s %s: a number is needed", word, value)
		}
		if word == "-maxdepth" {
			p.f.max = n
		} else {
			p.f.min = n
		}
		return func(found) bool { return true }, nil
	case "-newer":
		info, err := os.Stat(p.f.c.Path(value))
		if err != nil {
			return nil, fmt.Errorf("%s: %s", value, command.Reason(err))
		}
		return func(x found) bool { return x.info.ModTime().After(info.ModTime()) }, nil
	case "-size":
		return sizeTest(value)
	case "-mtime", "-mmin":
		return ageTest(word, value)
	}
	return nil, fmt.Errorf("%s: not supported", word)
}

func nameTest(word, pattern string) (predicate, error) {
	fold := strings.HasPrefix(word, "-i")
	if fold {
		pattern = strings.ToLower(pattern)
	}
	if _, err := path.Match(pattern, ""); err != nil {
		return nil, fmt.Errorf("%s %s: not a pattern", word, pattern)
	}
	whole := strings.HasSuffix(word, "path") || word == "-wholename"
	if whole { // a star of -path matches slashes too
		pattern = strings.ReplaceAll(pattern, "/", "\x01")
	}
	return func(x found) bool {
		name := path.Base(x.name)
		if whole {
			name = strings.ReplaceAll(x.name, "/", "\x01")
		}
		if fold {
			name = strings.ToLower(name)
		}
		matched, err := path.Match(pattern, name)
		return err == nil && matched
	}, nil
}

// compared reads +N, -N or N, and says how a number compares.
func compared(text string) (matches func(float64) bool, err error) {
	number := strings.TrimLeft(text, "+-")
	n, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return nil, fmt.Errorf("%s: a number is needed", text)
	}
	return func(x float64) bool {
		switch text[0] {
		case '+':
			return x > n
		case '-':
			return x < n
		}
		return x == n
	}, nil
}

func sizeTest(text string) (predicate, error) {
	unit := 512.0
	number := text
	if text != "" {
		if known, ok := map[byte]float64{'c': 1, 'k': 1 << 10, 'M': 1 << 20, 'G': 1 << 30, 'b': 512}[text[len(text)-1]]; ok {
			unit, number = known, text[:len(text)-1]
		}
	}
	matches, err := compared(number)
	return func(x found) bool {
		units := float64(int64((float64(x.info.Size()) + unit - 1) / unit))
		return matches(units)
	}, err
}

func ageTest(word, text string) (predicate, error) {
	unit := 24 * time.Hour
	if word == "-mmin" {
		unit = time.Minute
	}
	matches, err := compared(text)
	now := time.Now()
	return func(x found) bool { return matches(float64(now.Sub(x.info.ModTime()) / unit)) }, err
}

// batch is -exec … {} +: one run for many files.
type batch struct {
	argv []string
	more []string
}

func (b *batch) run(f *finder) {
	if len(b.more) > 0 {
		if code := f.c.Table.Run(f.ctx, f.c, append(append([]string{}, b.argv...), b.more...)); code != 0 {
			f.code = 1
		}
		b.more = nil
	}
}

// exec reads -exec COMMAND … ; or … {} +.
func (p *findParser) exec() (predicate, error) {
	p.acts = true
	var argv []string
	for {
		word, err := p.next()
		if err != nil {
			return nil, errors.New("-exec: missing ; at the end")
		}
		if word == ";" {
			break
		}
		if word == "+" && len(argv) > 1 && argv[len(argv)-1] == "{}" {
			b := &batch{argv: argv[:len(argv)-1]}
			p.f.batches = append(p.f.batches, b)
			return func(x found) bool {
				if b.more = append(b.more, x.name); len(b.more) >= 1000 {
					b.run(p.f)
				}
				return true
			}, nil
		}
		argv = append(argv, word)
	}
	if len(argv) == 0 {
		return nil, errors.New("-exec: which command?")
	}
	return func(x found) bool {
		words := make([]string, len(argv))
		for i, word := range argv {
			words[i] = strings.ReplaceAll(word, "{}", x.name)
		}
		return p.f.c.Table.Run(p.f.ctx, p.f.c, words) == 0
	}, nil
}
