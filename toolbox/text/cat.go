// SPDX-License-Identifier: Apache-2.0

package text

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/wazelet/wazelet/toolbox/command"
)

// cat copies files to standard output. -n numbers the lines, -b those that are not empty, -s takes
// several empty ones for one; -E shows where lines end, -T tabs, and -v what is not to be seen.
func cat(_ context.Context, c *command.Call) int {
	o, names, err := c.Options("n|number b|number-nonblank s|squeeze-blank u v|show-nonprinting " +
		"E|show-ends T|show-tabs A|show-all e t")
	if err != nil {
		return c.Usage(err)
	}
	p := &catPrinter{
		numbered: o.Has("n") || o.Has("b"), filled: o.Has("b"), squeezed: o.Has("s"),
		ends: o.Has("E") || o.Has("A") || o.Has("e"), tabs: o.Has("T") || o.Has("A") || o.Has("t"),
		hidden: o.Has("v") || o.Has("A") || o.Has("e") || o.Has("t"),
	}
	if *p == (catPrinter{}) {
		return c.ForEach(names, func(_ string, r io.Reader) error {
			_, err := io.Copy(c.Stdout, r)
			return err
		})
	}
	out := newOutput(c, names)
	code := c.ForEach(names, func(_ string, r io.Reader) error {
		return lines(r, func(line []byte, whole bool) bool {
			p.line(out, line, whole)
			return true
		})
	})
	return out.finish(c, code)
}

// catPrinter is how cat shows lines.
type catPrinter struct {
	numbered, filled, squeezed, ends, tabs, hidden bool

	number         int
	empty, running bool // the last line was; it has no newline yet
}

func (p *catPrinter) line(out *output, line []byte, whole bool) {
	if p.squeezed && p.empty && len(line) == 0 {
		return
	}
	p.empty = len(line) == 0
	prefix := ""
	if p.numbered && !p.running && (!p.filled || len(line) > 0) {
		p.number++
		prefix = fmt.Sprintf("%6d\t", p.number)
	}
	text := prefix + p.shown(line)
	if p.running = !whole; !whole {
		_, _ = out.WriteString(text) // the writer keeps the error for Flush
		return
	}
	if p.ends {
		text += "$"
	}
	out.line(text)
}

// shown makes a line visible: ^X for control characters, M- before what has the highest bit.
func (p *catPrinter) shown(line []byte) string {
	if !p.hidden && !p.tabs {
		return string(line)
	}
	var b strings.Builder
	for _, one := range line {
		if one == '\t' && !p.tabs || one != '\t' && !p.hidden {
			b.WriteByte(one)
			continue
		}
		if one >= 0x80 {
			b.WriteString("M-")
			one -= 0x80
		}
		switch {
		case one < ' ':
			b.WriteString("^" + string(rune(one+'@')))
		case one == 0x7f:
			b.WriteString("^?")
		default:
			b.WriteByte(one)
		}
	}
	return b.String()
}

// nl numbers the lines that are not empty, with -ba all.
func nl(_ context.Context, c *command.Call) int {
	o, names, err := c.Options("b|body-numbering: w|number-width: s|number-separator: v|starting-line-number: " +
		"i|line-increment: n|number-format:")
	if err != nil {
		return c.Usage(err)
	}
	width, err1 := strconv.Atoi(o.Value("w", "6"))
	number, err2 := strconv.Atoi(o.Value("v", "1"))
	increment, err3 := strconv.Atoi(o.Value("i", "1"))
	form := map[string]string{"rn": "%*d", "rz": "%0*d", "ln": "%-*d"}[o.Value("n", "rn")]
	which := o.Value("b", "t")
	if errors.Join(err1, err2, err3) != nil || width < 1 || width > maxField || form == "" || !strings.Contains("a t n", which) {
		return c.Usage(errors.New("-w, -v and -i are numbers, -n is ln, rn or rz, and -b is a, t or n"))
	}
	separator := o.Value("s", "\t")
	out := newOutput(c, names)
	code := c.ForEach(names, func(_ string, r io.Reader) error {
		return lines(r, func(line []byte, _ bool) bool {
			if which == "n" || which == "t" && len(line) == 0 {
				out.line(strings.Repeat(" ", width+len(separator)), string(line))
				return true
			}
			out.line(fmt.Sprintf(form, width, number), separator, string(line))
			number += increment
			return true
		})
	})
	return out.finish(c, code)
}

// columns are the lines of files, side by side: "-" may be there several times, and its lines are
// taken in turn then.
type columns struct {
	ins []*bufio.Reader
	eof []bool
}

// row reads one line of each; none: there is no other.
func (s *columns) row() (row []string, err error) {
	row, some := make([]string, len(s.ins)), false
	for i, in := range s.ins {
		if s.eof[i] {
			continue
		}
		line, rerr := readLine(in)
		if len(line) == 0 && rerr != nil {
			s.eof[i], err = true, errors.Join(err, hideEOF(rerr))
			continue
		}
		row[i], some = strings.TrimSuffix(string(line), "\n"), true
	}
	if !some {
		return nil, err
	}
	return row, err
}
