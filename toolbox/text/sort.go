// SPDX-License-Identifier: Apache-2.0

package text

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/wazelet/wazelet/toolbox/command"
)

// sortKey is one -k: fields from first to last, characters of them, and how they are compared.
type sortKey struct {
	first, firstChar, last, lastChar int
	flags                            string
}

// sortLines sorts lines.
func sortLines(_ context.Context, c *command.Call) int {
	o, names, err := c.Options("n|numeric-sort r|reverse u|unique k|key: t|field-separator: f|ignore-case b d g h|human-numeric-sort V|version-sort " +
		"s|stable c|check C m|merge o|output: T: S: i")
	if err != nil {
		return c.Usage(err)
	}
	keys, err := parseKeys(o)
	if err != nil {
		return c.Usage(err)
	}
	var all []string
	code := c.ForEach(names, func(_ string, r io.Reader) error {
		one, err := readAll(r)
		all = append(all, one...)
		return err
	})
	if code != 0 {
		return 2 // half of it, sorted, would look like all
	}
	compareKeys := func(a, b string) int {
		for _, key := range keys {
			if d := key.compare(a, b, o.Value("t", "")); d != 0 {
				return d
			}
		}
		return 0
	}
	compare := func(a, b string) int {
		d := compareKeys(a, b)
		if d == 0 && !o.Has("s") && !o.Has("u") {
			if d = strings.Compare(a, b); o.Has("r") {
				d = -d
			}
		}
		return d
	}
	if o.Has("c") || o.Has("C") {
		return boolCode(slices.IsSortedFunc(all, compare))
	}
	slices.SortStableFunc(all, compare)
	if o.Has("u") {
		all = slices.CompactFunc(all, func(a, b string) bool { return compareKeys(a, b) == 0 })
	}
	return writeSorted(c, o, names, all, code)
}

func boolCode(ok bool) int {
	if ok {
		return 0
	}
	return 1
}

func writeSorted(c *command.Call, o command.Options, names, all []string, code int) int {
	if file := o.Value("o", ""); file != "" {
		text := strings.Join(append(all, ""), "\n")
		if err := os.WriteFile(c.Path(file), []byte(text), 0o666); err != nil {
			return c.Problem(file, err)
		}
		return code
	}
	out := newOutput(c, append(names, "file")) // nothing is written before all is read
	for _, line := range all {
		out.line(line)
	}
	return out.finish(c, code)
}

func parseKeys(o command.Options) ([]sortKey, error) {
	global := ""
	for _, letter := range []string{"n", "r", "f", "b", "g", "h", "V"} {
		if o.Has(letter) {
			global += letter
		}
	}
	if len(o["k"]) == 0 {
		return []sortKey{{flags: global}}, nil
	}
	var keys []sortKey
	for _, text := range o["k"] {
		key := sortKey{}
		from, to, hasEnd := strings.Cut(text, ",")
		ok := key.position(from, &key.first, &key.firstChar)
		if hasEnd {
			ok = ok && key.position(to, &key.last, &key.lastChar)
		}
		if !ok || key.first < 1 {
			return nil, fmt.Errorf("-k %s: not a key such as 2, 2n or 2,3", text)
		}
		if key.flags == "" {
			key.flags = global
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// position reads FIELD[.CHARACTER][FLAGS].
func (k *sortKey) position(text string, field, char *int) bool {
	number := strings.TrimRight(text, "bdfghinrV")
	k.flags += text[len(number):]
	whole, part, dotted := strings.Cut(number, ".")
	var err error
	if dotted {
		*char, err = strconv.Atoi(part)
	}
	n, errField := strconv.Atoi(whole)
	*field = n
	return err == nil && errField == nil
}

// of takes the key out of a line.
func (k *sortKey) of(line, separator string) string {
	if k.first == 0 {
		return line
	}
	starts, ends := fieldBounds(line, separator)
	if k.first > len(starts) {
		return ""
	}
	begin := min(starts[k.first-1]+max(k.firstChar-1, 0), len(line))
	end := len(line)
	if k.last > 0 && k.last <= len(ends) {
		if end = ends[k.last-1]; k.lastChar > 0 {
			end = min(starts[k.last-1]+k.lastChar, end)
		}
	}
	if end < begin {
		return ""
	}
	return line[begin:end]
}

// fieldBounds are where fields begin and end. Without a separator a field includes the blanks before
// it.
func fieldBounds(line, separator string) (starts, ends []int) {
	if separator != "" {
		at := 0
		for {
			i := strings.Index(line[at:], separator)
			starts = append(starts, at)
			if i < 0 {
				return starts, append(ends, len(line))
			}
			ends = append(ends, at+i)
			at += i + len(separator)
		}
	}
	blank := func(i int) bool { return line[i] == ' ' || line[i] == '\t' }
	for i := 0; i < len(line); {
		starts = append(starts, i)
		for i < len(line) && blank(i) {
			i++
		}
		for i < len(line) && !blank(i) {
			i++
		}
		ends = append(ends, i)
	}
	return starts, ends
}

func (k *sortKey) compare(a, b, separator string) int {
	a, b = k.of(a, separator), k.of(b, separator)
	var d int
	switch {
	case strings.ContainsAny(k.flags, "ng"):
		d = compareFloats(leadingNumber(a), leadingNumber(b))
	case strings.Contains(k.flags, "h"):
		d = compareFloats(humanNumber(a), humanNumber(b))
	case strings.Contains(k.flags, "V"):
		d = compareVersions(a, b)
	default:
		if strings.Contains(k.flags, "b") {
			a, b = strings.TrimLeft(a, " \t"), strings.TrimLeft(b, " \t")
		}
		if strings.Contains(k.flags, "f") {
			a, b = strings.ToUpper(a), strings.ToUpper(b)
		}
		d = strings.Compare(a, b)
	}
	if strings.Contains(k.flags, "r") {
		d = -d
	}
	return d
}

func compareFloats(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// leadingNumber is the number a text begins with; 0 where there is none.
func leadingNumber(text string) float64 {
	text = strings.TrimLeft(text, " \t")
	end := 0
	for end < len(text) && (text[end] >= '0' && text[end] <= '9' || text[end] == '.' || end == 0 && text[end] == '-') {
		end++
	}
	n, _ := strconv.ParseFloat(text[:end], 64)
	return n
}

func humanNumber(text string) float64 {
	text = strings.TrimSpace(text)
	n := leadingNumber(text)
	if i := strings.IndexAny(text, "kKMGTP"); i >= 0 {
		for range strings.IndexByte("KMGTP", strings.ToUpper(text[i : i+1])[0]) + 1 {
			n *= 1024
		}
	}
	return n
}

// compareVersions compares runs of digits as numbers.
func compareVersions(a, b string) int {
	digits := func(s string) int {
		i := 0
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			i++
		}
		return i
	}
	for a != "" && b != "" {
		i, j := digits(a), digits(b)
		if i > 0 && j > 0 {
			x, y := strings.TrimLeft(a[:i], "0"), strings.TrimLeft(b[:j], "0")
			if d := compareInts(int64(len(x)), int64(len(y))); d != 0 {
				return d
			}
			if d := strings.Compare(x, y); d != 0 {
				return d
			}
			a, b = a[i:], b[j:]
			continue
		}
		if a[0] != b[0] {
			return strings.Compare(a, b)
		}
		a, b = a[1:], b[1:]
	}
	return strings.Compare(a, b)
}

// uniq drops lines that repeat the one before.
func uniq(_ context.Context, c *command.Call) int {
	o, names, err := c.Options("c|count d|repeated u|unique i|ignore-case f|skip-fields: s|skip-chars: w|check-chars:")
	if err == nil && len(names) > 2 {
		err = errors.New("one file to read and one to write")
	}
	if err != nil {
		return c.Usage(err)
	}
	key, err := uniqKey(o)
	if err != nil {
		return c.Usage(err)
	}
	if len(names) == 2 {
		f, err := os.Create(c.Path(names[1]))
		if err != nil {
			return c.Problem(names[1], err)
		}
		defer f.Close()
		to := *c
		to.Stdout = f
		c, names = &to, names[:1]
	}
	out, last, n := newOutput(c, names), "", 0
	flush := func() {
		if n == 0 || o.Has("d") && n < 2 || o.Has("u") && n > 1 {
			return
		}
		prefix := ""
		if o.Has("c") {
			prefix = fmt.Sprintf("%7d ", n)
		}
		out.line(prefix, last)
	}
	code := c.ForEach(names, func(_ string, r io.Reader) error {
		return lines(r, func(line []byte, _ bool) bool {
			if n > 0 && key(string(line)) == key(last) {
				n++
				return true
			}
			flush()
			last, n = string(line), 1
			return true
		})
	})
	flush()
	return out.finish(c, code)
}

// uniqKey is what of a line counts.
func uniqKey(o command.Options) (func(line string) string, error) {
	fields, err1 := strconv.Atoi(o.Value("f", "0"))
	skip, err2 := strconv.Atoi(o.Value("s", "0"))
	width, err3 := strconv.Atoi(o.Value("w", strconv.Itoa(maxLine)))
	if errors.Join(err1, err2, err3) != nil || fields < 0 || skip < 0 || width < 0 {
		return nil, errors.New("-f, -s and -w are numbers")
	}
	return func(line string) string {
		if fields > 0 {
			_, ends := fieldBounds(line, "")
			line = line[append([]int{0}, ends...)[min(fields, len(ends))]:]
		}
		line = line[min(skip, len(line)):]
		line = line[:min(width, len(line))]
		if o.Has("i") {
			line = strings.ToLower(line)
		}
		return line
	}, nil
}

// comm compares two sorted files, line by line.
func comm(_ context.Context, c *command.Call) int {
	o, names, err := c.Options("1 2 3")
	if err == nil && len(names) != 2 {
		err = errors.New("two files are needed")
	}
	if err != nil {
		return c.Usage(err)
	}
	var both [][]string
	if code := c.ForEach(names, func(_ string, r io.Reader) error {
		all, err := readAll(r)
		both = append(both, all)
		return err
	}); code != 0 {
		return code
	}
	out := newOutput(c, names)
	column := func(n int, line string) {
		if o.Has(strconv.Itoa(n)) {
			return
		}
		indent := ""
		for k := 1; k < n; k++ {
			if !o.Has(strconv.Itoa(k)) {
				indent += "\t"
			}
		}
		out.line(indent, line)
	}
	a, b := both[0], both[1]
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(b) == 0 || len(a) > 0 && a[0] < b[0]:
			column(1, a[0])
			a = a[1:]
		case len(a) == 0 || b[0] < a[0]:
			column(2, b[0])
			b = b[1:]
		default:
			column(3, a[0])
			a, b = a[1:], b[1:]
		}
	}
	return out.finish(c, 0)
}
