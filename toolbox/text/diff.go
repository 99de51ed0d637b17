// SPDX-License-Identifier: Apache-2.0

package text

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/wazelet/wazelet/toolbox/command"
)

// maxDiff bounds the files of diff, in lines, and so the table it fills.
const maxDiff = 20000

// differ is one run of diff.
type differ struct {
	ctx   context.Context
	c     *command.Call
	o     command.Options
	out   *output
	lines int // of context
	code  int
}

// diff shows the difference of two files in the unified form: 0 where there is none, 1, or 2 after
// trouble. With -r, of what is in two directories.
func diff(ctx context.Context, c *command.Call) int {
	o, names, err := c.Options("u|unified q|brief s|report-identical-files r|recursive N|new-file U: " +
		"b|ignore-space-change w|ignore-all-space i|ignore-case a|text L|label:")
	if err == nil && len(names) != 2 {
		err = errors.New("two files are needed")
	}
	lines, nerr := strconv.Atoi(o.Value("U", "3"))
	if nerr != nil || lines < 0 || lines > maxDiff {
		err = errors.Join(err, errors.New("-U: a number is needed"))
	}
	if err != nil {
		return c.Usage(err)
	}
	d := &differ{ctx: ctx, c: c, o: o, out: newOutput(c, names), lines: lines}
	a, b := names[0], names[1]
	switch {
	case d.isDir(a) && d.isDir(b):
		d.directories(a, b, 0)
	case d.isDir(a):
		d.files(path.Join(a, path.Base(b)), b)
	case d.isDir(b):
		d.files(a, path.Join(b, path.Base(a)))
	default:
		d.files(a, b)
	}
	return d.out.finish(c, d.code)
}

func (d *differ) isDir(name string) bool {
	info, err := os.Stat(d.c.Path(name))
	return name != "-" && err == nil && info.IsDir()
}

// trouble reports what could not be compared.
func (d *differ) trouble(name string, err error) {
	d.c.Problem(name, err)
	d.code = 2
}

// maxDirectories bounds how deep -r goes.
const maxDirectories = 256

// directories compares what is in two directories, by name.
func (d *differ) directories(a, b string, depth int) {
	if depth > maxDirectories {
		d.trouble(a, errors.New("directories are too deep"))
		return
	}
	there := map[string]int{}
	for bit, dir := range []string{a, b} {
		entries, err := os.ReadDir(d.c.Path(dir))
		if err != nil {
			d.trouble(dir, err)
			return
		}
		for _, entry := range entries {
			there[entry.Name()] |= 1 << bit
		}
	}
	for _, name := range slices.Sorted(maps.Keys(there)) {
		left, right := path.Join(a, name), path.Join(b, name)
		switch {
		case d.ctx.Err() != nil:
			d.code = 2
			return
		case there[name] != 3 && !d.o.Has("N"):
			d.out.line("Only in ", []string{"", a, b}[there[name]], ": ", name)
			d.code = max(d.code, 1)
		case d.isDir(left) && d.isDir(right) && d.o.Has("r"):
			d.directories(left, right, depth+1)
		case d.isDir(left) && d.isDir(right):
			d.out.line("Common subdirectories: ", left, " and ", right)
		default:
			d.files(left, right)
		}
	}
}

// files compares two files.
func (d *differ) files(a, b string) {
	names := []string{a, b}
	var sides, keys [2][]string
	for i, name := range names {
		var err error
		if sides[i], err = d.read(name); err != nil {
			d.trouble(name, err)
			return
		}
		for _, line := range sides[i] {
			keys[i] = append(keys[i], d.key(line))
		}
	}
	if slices.Equal(keys[0], keys[1]) {
		if d.o.Has("s") {
			d.out.line("Files ", a, " and ", b, " are identical")
		}
		return
	}
	d.code = max(d.code, 1)
	if d.o.Has("q") {
		d.out.line("Files ", a, " and ", b, " differ")
		return
	}
	copy(names, d.o["L"])
	d.out.line("--- ", names[0])
	d.out.line("+++ ", names[1])
	all := edits(keys[0], keys[1])
	for i, e := range all {
		if all[i].line = ""; e.kind == '+' {
			all[i].line = sides[1][e.b]
		} else {
			all[i].line = sides[0][e.a]
		}
	}
	for _, h := range hunks(all, d.lines) {
		h.write(d.out)
	}
}

// read reads the lines of a file. What follows the last one where it has no newline counts, and is
// shown.
func (d *differ) read(name string) (all []string, err error) {
	f, err := d.c.Open(name)
	if errors.Is(err, fs.ErrNotExist) && d.o.Has("N") {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	err = lines(f, func(line []byte, whole bool) bool {
		if all = append(all, string(line)); !whole {
			all[len(all)-1] += "\n\\ No newline at end of file"
		}
		return len(all) <= maxDiff
	})
	if len(all) > maxDiff {
		err = fmt.Errorf("longer than %d lines", maxDiff)
	}
	return all, errors.Join(err, f.Close())
}

// key is what of a line counts.
func (d *differ) key(line string) string {
	switch {
	case d.o.Has("w"):
		line = strings.Join(strings.Fields(line), "")
	case d.o.Has("b"):
		fields := strings.Fields(line)
		indented := ""
		if line != "" && strings.TrimLeft(line, " \t") != line {
			indented = " "
		}
		line = indented + strings.Join(fields, " ")
	}
	if d.o.Has("i") {
		line = strings.ToLower(line)
	}
	return line
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

// hunks groups edits, with so many lines around them.
func hunks(all []edit, around int) (groups []hunk) {
	for i := 0; i < len(all); i++ {
		if all[i].kind == ' ' {
			continue
		}
		begin, end := max(0, i-around), i
		for j := i; j < len(all) && j <= end+2*around+1; j++ {
			if all[j].kind != ' ' {
				end = j
			}
		}
		end = min(len(all), end+1+around)
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
