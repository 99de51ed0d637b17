// SPDX-License-Identifier: Apache-2.0

package text

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/wazelet/wazelet/toolbox/command"
)

// compare is cmp: where two files differ first.
func compare(_ context.Context, c *command.Call) int {
	o, names, err := c.Options("s l")
	if err == nil && len(names) != 2 {
		err = errors.New("two files are needed")
	}
	if err != nil {
		return c.Usage(err)
	}
	var in [2]*bufio.Reader
	for i, name := range names {
		f, err := c.Open(name)
		if err != nil {
			c.Problem(name, err)
			return 2
		}
		defer f.Close()
		in[i] = bufio.NewReader(f)
	}
	for at, line := 1, 1; ; at++ {
		a, errA := in[0].ReadByte()
		b, errB := in[1].ReadByte()
		switch {
		case errA != nil && errB != nil:
			if err := errors.Join(hideEOF(errA), hideEOF(errB)); err != nil {
				c.Errorf("%v", err)
				return 2
			}
			return 0
		case errA != nil || errB != nil:
			shorter := names[0]
			if errA == nil {
				shorter = names[1]
			}
			if !o.Has("s") {
				c.Errorf("EOF on %s", shorter)
			}
			return 1
		case a != b:
			if !o.Has("s") {
				c.Printf("%s %s differ: byte %d, line %d\n", names[0], names[1], at, line)
			}
			return 1
		case a == '\n':
			line++
		}
	}
}

// maxDiff bounds the files of diff, in lines, and so the table it fills.
const maxDiff = 20000

// context of a hunk, in lines.
const hunkContext = 3

// diff shows the difference of two files in the unified form: 0 where there is none, 1, or 2 after
// trouble.
func diff(_ context.Context, c *command.Call) int {
	o, names, err := c.Options("u q b w i N U:")
	if err == nil && len(names) != 2 {
		err = errors.New("two files are needed")
	}
	if err != nil {
		return c.Usage(err)
	}
	var sides [][]string
	if code := c.ForEach(names, func(_ string, r io.Reader) error {
		all, err := readAll(r)
		if len(all) > maxDiff {
			err = fmt.Errorf("longer than %d lines", maxDiff)
		}
		sides = append(sides, all)
		return err
	}); code != 0 {
		return 2
	}
	if slices.Equal(sides[0], sides[1]) {
		return 0
	}
	if o.Has("q") {
		c.Printf("Files %s and %s differ\n", names[0], names[1])
		return 1
	}
	c.Printf("--- %s\n+++ %s\n", names[0], names[1])
	out := newOutput(c, names)
	for _, h := range hunks(edits(sides[0], sides[1])) {
		h.write(out)
	}
	return out.finish(c, 1)
}

// edit is a line that stays (' '), goes ('-') or comes ('+'), and where on each side.
type edit struct {
	kind byte
	line string
	a, b int
}

// edits is a shortest way from one list of lines to the other. What both begin and end with is set
// aside first: the table is as large as what lies between on one side times the other.
func edits(a, b []string) []edit {
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	var all []edit
	for i := range head {
		all = append(all, edit{' ', a[i], i, i})
	}
	all = append(all, middle(a[head:len(a)-tail], b[head:len(b)-tail], head)...)
	for i := range tail {
		all = append(all, edit{' ', a[len(a)-tail+i], len(a) - tail + i, len(b) - tail + i})
	}
	return all
}

// maxTable bounds the table of middle; beyond, everything goes and everything comes.
const maxTable = 1 << 22

// middle is the longest common subsequence, as edits.
func middle(a, b []string, at int) (all []edit) {
	width := len(b) + 1
	var table []uint16
	if (len(a)+1)*width <= maxTable {
		table = make([]uint16, (len(a)+1)*width)
		for i := len(a) - 1; i >= 0; i-- {
			for j := len(b) - 1; j >= 0; j-- {
				if a[i] == b[j] {
					table[i*width+j] = table[(i+1)*width+j+1] + 1
				} else {
					table[i*width+j] = max(table[(i+1)*width+j], table[i*width+j+1])
				}
			}
		}
	}
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case table != nil && i < len(a) && j < len(b) && a[i] == b[j]:
			all = append(all, edit{' ', a[i], at + i, at + j})
			i, j = i+1, j+1
		case i < len(a) && (j == len(b) || table == nil || table[(i+1)*width+j] >= table[i*width+j+1]):
			all = append(all, edit{'-', a[i], at + i, at + j})
			i++
		default:
			all = append(all, edit{'+', b[j], at + i, at + j})
			j++
		}
	}
	return all
}

// hunk is a group of edits with the lines around them.
type hunk []edit

func hunks(all []edit) (groups []hunk) {
	for i := 0; i < len(all); i++ {
		if all[i].kind == ' ' {
			continue
		}
		begin, end := max(0, i-hunkContext), i
		for j := i; j < len(all) && j <= end+2*hunkContext; j++ {
			if all[j].kind != ' ' {
				end = j
			}
		}
		end = min(len(all), end+1+hunkContext)
		groups = append(groups, all[begin:end])
		i = end - 1
	}
	return groups
}

func (h hunk) write(out *output) {
	old, new := 0, 0
	for _, e := range h {
		if e.kind != '+' {
			old++
		}
		if e.kind != '-' {
			new++
		}
	}
	out.line(fmt.Sprintf("@@ -%s +%s @@", span(h[0].a, old), span(h[0].b, new)))
	for _, e := range h {
		out.line(string(rune(e.kind)), e.line)
	}
}

// span is where lines are; of none, the line before.
func span(at, n int) string {
	if n == 0 {
		return fmt.Sprintf("%d,0", at)
	}
	if n == 1 {
		return fmt.Sprint(at + 1)
	}
	return fmt.Sprintf("%d,%d", at+1, n)
}
