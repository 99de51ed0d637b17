// SPDX-License-Identifier: Apache-2.0

package text

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"github.com/wazelet/wazelet/toolbox/command"
)

// editor is one run of sed.
type editor struct {
	script []*sedCommand
	silent bool
	out    *bytes.Buffer

	number int
	line   string // the pattern space
	hold   string
	last   bool // this is the last line
	queued []string
	quit   bool
	code   int
}

// maxSpace bounds the pattern and the hold space, and maxSteps the commands for one line.
const (
	maxSpace = 16 << 20
	maxSteps = 1 << 20
)

// sed edits streams, or with -i files.
func sed(_ context.Context, c *command.Call) int {
	o, args, err := c.Options("n|quiet|silent e:|expression f: E|regexp-extended r i|in-place s u z")
	if err != nil {
		return c.Usage(err)
	}
	var text []string
	text = append(text, o["e"]...)
	for _, name := range o["f"] {
		script, err := os.ReadFile(c.Path(name))
		if err != nil {
			return c.Problem(name, err)
		}
		text = append(text, string(script))
	}
	if len(text) == 0 {
		if len(args) == 0 {
			return c.Usage(errors.New("which script?"))
		}
		text, args = args[:1], args[1:]
	}
	d := reBasic
	if o.Has("E") || o.Has("r") {
		d = reExtended
	}
	script, err := parseSed(strings.Join(text, "\n"), d)
	if err != nil {
		return c.Usage(err)
	}
	if o.Has("i") {
		return sedInPlace(c, script, o.Has("n"), args)
	}
	e := &editor{script: script, silent: o.Has("n"), out: &bytes.Buffer{}}
	return e.stream(c, args)
}

// stream edits files as one stream. A line is known to be the last only when there is no other.
func (e *editor) stream(c *command.Call, names []string) int {
	out := newOutput(c, names)
	var held *sedLine
	var failure error
	code := c.ForEach(names, func(_ string, r io.Reader) error {
		return lines(r, func(line []byte, whole bool) bool {
			if held != nil {
				failure = e.step(out, *held, false)
			}
			held = &sedLine{string(line), whole}
			return failure == nil && !e.quit
		})
	})
	if held != nil && failure == nil && !e.quit {
		failure = e.step(out, *held, true)
	}
	code = out.finish(c, code)
	if failure != nil {
		return c.Errorf("%v", failure)
	}
	return max(code, e.code)
}

// sedLine is a line of input; whole: with its newline.
type sedLine struct {
	text  string
	whole bool
}

// step edits one line and writes what comes of it.
func (e *editor) step(out *output, line sedLine, last bool) error {
	e.number++
	e.line, e.last = line.text, last
	err := e.cycle()
	text := e.out.String()
	if !line.whole {
		text = strings.TrimSuffix(text, "\n")
	}
	e.out.Reset()
	_, _ = out.WriteString(text) // the writer keeps the error for Flush
	if out.eager {
		_ = out.Flush() // as above
	}
	return err
}

func sedInPlace(c *command.Call, script []*sedCommand, silent bool, names []string) int {
	if len(names) == 0 {
		return c.Usage(errors.New("-i: which files?"))
	}
	code := 0
	for _, name := range names {
		content, err := os.ReadFile(c.Path(name))
		if err != nil {
			code = c.Problem(name, err)
			continue
		}
		for _, cmd := range script {
			cmd.active = false
		}
		e := &editor{script: script, silent: silent, out: &bytes.Buffer{}}
		var edited bytes.Buffer
		sub := *c
		sub.Stdin, sub.Stdout = bytes.NewReader(content), &edited
		if code = max(code, e.stream(&sub, nil)); e.code == 0 && edited.Len() <= maxSpace {
			if err := os.WriteFile(c.Path(name), edited.Bytes(), 0o666); err != nil {
				code = c.Problem(name, err)
			}
		}
	}
	return code
}

// cycle runs the script on the line in the pattern space.
func (e *editor) cycle() error {
	deleted := false
	for i, steps := 0, 0; i < len(e.script) && !deleted && !e.quit; i, steps = i+1, steps+1 {
		if steps > maxSteps {
			return errors.New("a script that loops for ever")
		}
		cmd := e.script[i]
		if !cmd.selects(e) {
			if cmd.name == '{' {
				i = cmd.jump
			}
			continue
		}
		next, del, err := e.run(cmd, i)
		if err != nil {
			return err
		}
		i, deleted = next, del
	}
	if !deleted && !e.silent {
		e.print(e.line)
	}
	for _, text := range e.queued {
		e.print(text)
	}
	e.queued = nil
	return nil
}

func (e *editor) print(text string) {
	e.out.WriteString(text)
	e.out.WriteByte('\n')
}

// run runs one command and says where the script goes on, and whether the line is deleted.
func (e *editor) run(cmd *sedCommand, at int) (next int, deleted bool, err error) {
	switch cmd.name {
	case 'p':
		e.print(e.line)
	case 'P':
		first, _, _ := strings.Cut(e.line, "\n")
		e.print(first)
	case '=':
		e.print(fmt.Sprint(e.number))
	case 'd', 'D':
		return at, true, nil
	case 'q', 'Q':
		e.quit, e.code = true, cmd.code
		return at, cmd.name == 'Q', nil
	case 'a':
		e.queued = append(e.queued, cmd.text)
	case 'i':
		e.print(cmd.text)
	case 'c':
		if !cmd.active || cmd.second == nil {
			e.print(cmd.text)
		}
		return at, true, nil
	case 's':
		return e.substitute(cmd, at)
	case 'y':
		e.line = strings.Map(func(r rune) rune {
			if to, ok := cmd.table[r]; ok {
				return to
			}
			return r
		}, e.line)
	case 'b':
		return cmd.jump, false, nil
	default:
		e.exchange(cmd.name)
	}
	if len(e.line) > maxSpace || len(e.hold) > maxSpace {
		return at, false, errors.New("the pattern space has grown too large")
	}
	return at, false, nil
}

// exchange moves text between the pattern and the hold space.
func (e *editor) exchange(name byte) {
	switch name {
	case 'h':
		e.hold = e.line
	case 'H':
		e.hold += "\n" + e.line
	case 'g':
		e.line = e.hold
	case 'G':
		e.line += "\n" + e.hold
	case 'x':
		e.line, e.hold = e.hold, e.line
	}
}

// substitute is s/…/…/: those matches that the flags choose are replaced.
func (e *editor) substitute(cmd *sedCommand, at int) (int, bool, error) {
	var b strings.Builder
	from, n, changed := 0, 0, false
	for _, m := range cmd.re.FindAllStringSubmatchIndex(e.line, -1) {
		n++
		if n < cmd.nth || n > cmd.nth && !cmd.global {
			continue
		}
		b.WriteString(e.line[from:m[0]])
		cmd.replacement.expand(&b, e.line, m)
		from, changed = m[1], true
		if b.Len() > maxSpace {
			return at, false, errors.New("the pattern space has grown too large")
		}
	}
	if changed {
		b.WriteString(e.line[from:])
		e.line = b.String()
		if cmd.print {
			e.print(e.line)
		}
	}
	return at, false, nil
}

// replacement is the right side of s: texts and numbers of groups.
type replacement []piece

type piece struct {
	text  string
	group int // -1: text
	cased byte
}

// expand writes the replacement for a match.
func (r replacement) expand(b *strings.Builder, line string, match []int) {
	var mode byte
	for _, p := range r {
		if p.cased != 0 {
			mode = p.cased
			continue
		}
		text := p.text
		if p.group >= 0 {
			text = ""
			if 2*p.group+1 < len(match) && match[2*p.group] >= 0 {
				text = line[match[2*p.group]:match[2*p.group+1]]
			}
		}
		switch mode {
		case 'U':
			text = strings.ToUpper(text)
		case 'L':
			text = strings.ToLower(text)
		}
		b.WriteString(text)
	}
}

// sedCommand is a command with the lines it is for.
type sedCommand struct {
	first, second *sedAddress
	not           bool
	active        bool // within a range
	until         int  // of a range that ends at a line

	name          byte
	re            *regexp.Regexp
	replacement   replacement
	nth           int
	global, print bool
	text          string
	table         map[rune]rune
	jump          int
	label         string
	code          int
}

// sedAddress is a line number, the last line, or an expression.
type sedAddress struct {
	number, step int
	plus         bool // +N after the first line of the range
	last         bool
	re           *regexp.Regexp
}

func (a *sedAddress) matches(e *editor) bool {
	switch {
	case a.last:
		return e.last
	case a.re != nil:
		return a.re.MatchString(e.line)
	case a.step > 0:
		return e.number >= a.number && (e.number-a.number)%a.step == 0
	}
	return e.number == a.number
}

func (cmd *sedCommand) selects(e *editor) bool { return cmd.inRange(e) != cmd.not }

func (cmd *sedCommand) inRange(e *editor) bool {
	switch {
	case cmd.first == nil:
		return true
	case cmd.second == nil:
		return cmd.first.matches(e)
	case !cmd.active:
		if !cmd.first.matches(e) {
			return false
		}
		cmd.until = cmd.second.number
		if cmd.second.plus {
			cmd.until += e.number
		}
		numbered := cmd.second.re == nil && !cmd.second.last
		cmd.active = !numbered || cmd.until > e.number
		return true
	}
	switch {
	case cmd.second.re != nil || cmd.second.last:
		cmd.active = !cmd.second.matches(e)
	case e.number > cmd.until:
		cmd.active = false
		return cmd.first.matches(e)
	default:
		cmd.active = e.number < cmd.until
	}
	return true
}
