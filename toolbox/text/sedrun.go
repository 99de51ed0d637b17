// SPDX-License-Identifier: Apache-2.0

package text

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/wazelet/wazelet/toolbox/command"
)

// editor runs a script on the lines of an input.
type editor struct {
	ctx context.Context
	c   *command.Call
	o   *sedOptions
	in  *sedInput
	out *output

	number int
	line   []byte // the pattern space
	whole  bool   // its last line had a newline
	hold   []byte
	queued []func() // what is written at the end of the cycle
	// replaced says that an s has replaced something since the line was read or a t looked.
	replaced bool
	// unended says that what was written last still wants its newline, should anything follow.
	unended bool
	recent  *regexp.Regexp
	quit    bool
	code    int
}

var errTooLarge = errors.New("the pattern space has grown too large")

// all edits all lines.
func (e *editor) all() error {
	for again := false; !e.quit; {
		if !again && !e.read(false) {
			break
		}
		var err error
		if again, err = e.cycle(); err != nil {
			return err
		}
	}
	return context.Cause(e.ctx)
}

// read reads a line into the pattern space, or appends it.
func (e *editor) read(appended bool) bool {
	line := e.in.next()
	if line == nil {
		return false
	}
	e.number++
	if e.whole = line.whole; appended {
		e.line = append(append(e.line, '\n'), line.text...)
	} else {
		e.line = line.text
	}
	return true
}

// cycle runs the script on the pattern space. again: the next cycle goes on with what is in it.
func (e *editor) cycle() (again bool, err error) {
	printed := !e.o.silent
	e.replaced = false
	for i, steps := 0, 0; i < len(e.o.script); i, steps = i+1, steps+1 {
		if steps%1024 == 1023 && e.ctx.Err() != nil {
			return false, context.Cause(e.ctx)
		}
		cmd := e.o.script[i]
		if !e.selects(cmd) {
			if cmd.name == '{' {
				i = cmd.jump
			}
			continue
		}
		step, err := e.run(cmd, i)
		if err != nil {
			return false, err
		}
		if again = step.again; step.ends {
			printed = printed && step.prints
			break
		}
		i = step.at
	}
	if printed {
		e.print(e.line, e.whole)
	}
	e.flush()
	return again, nil
}

// flush writes what was queued.
func (e *editor) flush() {
	for _, write := range e.queued {
		write()
	}
	e.queued = nil
	if e.out.eager {
		_ = e.out.Flush() // the writer keeps the error
	}
}

// print writes a text; without its newline, where the input had none, as long as nothing follows.
func (e *editor) print(text []byte, whole bool) {
	if e.unended {
		_ = e.out.WriteByte(e.o.separator) // the writer keeps the error for Flush
	}
	_, _ = e.out.Write(text) // as above
	if whole {
		_ = e.out.WriteByte(e.o.separator) // as above
	}
	e.unended = !whole
}

// step says how the script goes on after a command.
type step struct {
	at                  int  // behind this command
	ends, prints, again bool // the cycle ends; the pattern space is written; it stays for the next
}

// run runs one command.
func (e *editor) run(cmd *sedCommand, at int) (step, error) {
	next := step{at: at}
	switch cmd.name {
	case 'd':
		return step{ends: true}, nil
	case 'D':
		_, rest, found := strings.Cut(string(e.line), "\n")
		e.line = []byte(rest)
		return step{ends: true, again: found}, nil
	case 'q', 'Q':
		e.quit, e.code = true, cmd.code
		return step{ends: true, prints: cmd.name == 'q'}, nil
	case 'n', 'N':
		return e.advance(cmd.name == 'N', at)
	case 'c':
		if cmd.second == nil || cmd.not || !cmd.active {
			e.print([]byte(cmd.text), true)
		}
		return step{ends: true}, nil
	case 's':
		return next, e.substitute(cmd)
	case 'b':
		next.at = cmd.jump
	case 't', 'T':
		if e.replaced == (cmd.name == 't') {
			next.at = cmd.jump
		}
		e.replaced = false
	case 'h', 'H', 'g', 'G', 'x':
		e.exchange(cmd.name)
	default:
		e.write(cmd)
	}
	if len(e.line) > maxSpace || len(e.hold) > maxSpace {
		return next, errTooLarge
	}
	return next, nil
}

// advance is n, and N, which appends. Where there is no other line the script ends.
func (e *editor) advance(appended bool, at int) (step, error) {
	if e.in.last() {
		e.quit = true
		return step{ends: true, prints: true}, context.Cause(e.ctx)
	}
	if !appended && !e.o.silent {
		e.print(e.line, e.whole)
	}
	e.flush()
	e.read(appended)
	if len(e.line) > maxSpace {
		return step{}, errTooLarge
	}
	return step{at: at}, nil
}

// write runs the commands that write something, and y.
func (e *editor) write(cmd *sedCommand) {
	switch cmd.name {
	case 'p':
		e.print(e.line, e.whole)
	case 'P':
		first, _, _ := strings.Cut(string(e.line), "\n")
		e.print([]byte(first), true)
	case '=':
		e.print(strconv.AppendInt(nil, int64(e.number), 10), true)
	case 'l':
		e.print([]byte(visible(e.line)), true)
	case 'i':
		e.print([]byte(cmd.text), true)
	case 'a':
		e.queued = append(e.queued, func() { e.print([]byte(cmd.text), true) })
	case 'r':
		e.queued = append(e.queued, func() { e.insert(cmd.file) })
	case 'w':
		e.save(cmd.file)
	case 'y':
		e.line = []byte(strings.Map(func(r rune) rune {
			if to, ok := cmd.table[r]; ok {
				return to
			}
			return r
		}, string(e.line)))
	}
}

// insert writes a file; one that cannot be read counts as empty.
func (e *editor) insert(name string) {
	f, err := e.c.Open(name)
	if name == "/dev/stdin" {
		f, err = e.c.Open("-")
	}
	if err != nil {
		return
	}
	defer f.Close()
	if e.unended {
		e.print(nil, true)
	}
	_, _ = io.Copy(onlyWriter{e.out}, f) // as above
}

// onlyWriter is a writer without its other methods.
type onlyWriter struct{ io.Writer }

// save writes the pattern space to a file of w.
func (e *editor) save(name string) {
	if name == "/dev/stdout" {
		e.print(e.line, true)
		return
	}
	w := e.o.writeTo[name]
	_, _ = w.Write(append(e.line[:len(e.line):len(e.line)], e.o.separator)) // found when it is flushed
}

// exchange moves text between the pattern and the hold space.
func (e *editor) exchange(name byte) {
	switch name {
	case 'h':
		e.hold = append(e.hold[:0], e.line...)
	case 'H':
		e.hold = append(append(e.hold, '\n'), e.line...)
	case 'g':
		e.line = append(e.line[:0], e.hold...)
	case 'G':
		e.line = append(append(e.line, '\n'), e.hold...)
	case 'x':
		e.line, e.hold = e.hold, e.line
	}
}

// visibleWidth is how long the lines of l are.
const visibleWidth = 69

// visible shows a text so that no character of it is in doubt.
func visible(text []byte) string {
	var b strings.Builder
	width := 0
	for _, one := range text {
		shown := string(rune(one))
		if i := strings.IndexByte("\\\a\b\f\n\r\t\v", one); i >= 0 {
			shown = `\` + string(`\abfnrtv`[i])
		} else if one < ' ' || one > '~' {
			shown = fmt.Sprintf(`\%03o`, one)
		}
		if width += len(shown); width > visibleWidth {
			b.WriteString("\\\n")
			width = len(shown)
		}
		b.WriteString(shown)
	}
	return b.String() + "$"
}

// sedRegexp is an expression; without one, the last that was used.
type sedRegexp struct{ *regexp.Regexp }

// use is the expression that counts now; nil: there was none before.
func (e *editor) use(re *sedRegexp) *regexp.Regexp {
	if re.Regexp != nil {
		e.recent = re.Regexp
	}
	return e.recent
}

// substitute is s/…/…/: those matches that the flags choose are replaced.
func (e *editor) substitute(cmd *sedCommand) error {
	re := e.use(cmd.re)
	if re == nil {
		return errors.New("there is no expression before the empty one")
	}
	limit := cmd.nth
	if cmd.global {
		limit = -1
	}
	matches := re.FindAllSubmatchIndex(e.line, limit)
	if len(matches) < cmd.nth {
		return nil
	}
	var b strings.Builder
	from := 0
	for _, m := range matches[cmd.nth-1:] {
		b.Write(e.line[from:m[0]])
		cmd.replacement.expand(&b, e.line, m)
		if from = m[1]; b.Len() > maxSpace {
			return errTooLarge
		}
	}
	b.Write(e.line[from:])
	e.line, e.replaced = []byte(b.String()), true
	if cmd.print {
		e.print(e.line, e.whole)
	}
	if cmd.file != "" {
		e.save(cmd.file)
	}
	return nil
}

// replacement is the right side of s: texts, numbers of groups, and changes of case.
type replacement []piece

type piece struct {
	text  string
	group int // -1: text
	cased byte
}

// expand writes the replacement for a match.
func (r replacement) expand(b *strings.Builder, line []byte, match []int) {
	var mode, once byte
	for _, p := range r {
		switch p.cased {
		case 0:
		case 'u', 'l':
			once = p.cased
			continue
		default:
			mode, once = p.cased, 0
			continue
		}
		text := p.text
		if p.group >= 0 {
			text = ""
			if 2*p.group+1 < len(match) && match[2*p.group] >= 0 {
				text = string(line[match[2*p.group]:match[2*p.group+1]])
			}
		}
		switch mode {
		case 'U':
			text = strings.ToUpper(text)
		case 'L':
			text = strings.ToLower(text)
		}
		if first, size := utf8.DecodeRuneInString(text); once != 0 && size > 0 {
			change := unicode.ToUpper
			if once == 'l' {
				change = unicode.ToLower
			}
			text, once = string(change(first))+text[size:], 0
		}
		b.WriteString(text)
	}
}

// sedCommand is a command with the lines it is for.
type sedCommand struct {
	first, second *sedAddress
	not           bool
	active, begun bool // within a range; a range from line 0 has begun
	until         int  // of a range that ends at a line

	name          byte
	re            *sedRegexp
	replacement   replacement
	nth           int
	global, print bool
	text, file    string
	table         map[rune]rune
	jump          int
	label         string
	code          int
}

// sedAddress is a line number, the last line, or an expression.
type sedAddress struct {
	number, step   int
	plus, multiple bool // +N after the first line of the range; ~N: up to a multiple
	last           bool
	re             *sedRegexp
}

func (e *editor) matches(a *sedAddress) bool {
	switch {
	case a.last:
		return e.in.last()
	case a.re != nil:
		re := e.use(a.re)
		return re != nil && re.Match(e.line)
	case a.step > 0:
		return e.number >= a.number && (e.number-a.number)%a.step == 0
	}
	return e.number == a.number
}

func (e *editor) selects(cmd *sedCommand) bool { return e.inRange(cmd) != cmd.not }

func (e *editor) inRange(cmd *sedCommand) bool {
	switch {
	case cmd.first == nil:
		return true
	case cmd.second == nil:
		return e.matches(cmd.first)
	case !cmd.active && !cmd.begun && cmd.fromZero():
		cmd.begun, cmd.active = true, !e.matches(cmd.second)
		return true
	case !cmd.active:
		return e.begins(cmd)
	case cmd.second.re != nil || cmd.second.last:
		cmd.active = !e.matches(cmd.second)
	case e.number > cmd.until: // lines were read within the script
		cmd.active = false
		return e.begins(cmd)
	default:
		cmd.active = e.number < cmd.until
	}
	return true
}

// fromZero says that a range is 0,/…/: its end may be in the first line.
func (cmd *sedCommand) fromZero() bool {
	first := cmd.first
	return first.re == nil && !first.last && first.number == 0 && first.step == 0 && cmd.second.re != nil
}

// begins says whether a range begins here.
func (e *editor) begins(cmd *sedCommand) bool {
	if !e.matches(cmd.first) {
		return false
	}
	second := cmd.second
	switch cmd.until = second.number; {
	case second.plus:
		cmd.until += e.number
	case second.multiple && second.number > 0:
		cmd.until = (e.number + second.number - 1) / second.number * second.number
	}
	switch {
	case second.re != nil:
		cmd.active = true
	case second.last:
		cmd.active = !e.in.last()
	default:
		cmd.active = cmd.until > e.number
	}
	return true
}
