// SPDX-License-Identifier: Apache-2.0

package text

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/wazelet/wazelet/toolbox/command"
)

// tac writes lines in the opposite order.
func tac(_ context.Context, c *command.Call) int {
	out := newOutput(c, c.Args)
	code := c.ForEach(c.Args, func(_ string, r io.Reader) error {
		var all []string
		err := lines(r, func(line []byte, whole bool) bool {
			if all = append(all, string(line)); whole {
				all[len(all)-1] += "\n"
			}
			return true
		})
		for _, line := range slices.Backward(all) {
			_, _ = out.WriteString(line) // the writer keeps the error for Flush
		}
		return err
	})
	return out.finish(c, code)
}

func readAll(r io.Reader) (all []string, err error) {
	err = lines(r, func(line []byte, _ bool) bool {
		all = append(all, string(line))
		return true
	})
	return all, err
}

// rev writes each line backwards.
func rev(_ context.Context, c *command.Call) int {
	out := newOutput(c, c.Args)
	code := c.ForEach(c.Args, func(_ string, r io.Reader) error {
		return lines(r, func(line []byte, _ bool) bool {
			runes := []rune(string(line))
			slices.Reverse(runes)
			out.line(string(runes))
			return true
		})
	})
	return out.finish(c, code)
}

// tee copies standard input to files and to standard output.
func tee(_ context.Context, c *command.Call) int {
	o, names, err := c.Options("a i")
	if err != nil {
		return c.Usage(err)
	}
	flags := os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	if o.Has("a") {
		flags = os.O_WRONLY | os.O_CREATE | os.O_APPEND
	}
	code, all := 0, []io.Writer{c.Stdout}
	for _, name := range names {
		f, err := os.OpenFile(c.Path(name), flags, 0o666)
		if err != nil {
			code = c.Problem(name, err)
			continue
		}
		defer f.Close()
		all = append(all, f)
	}
	if _, err := io.Copy(io.MultiWriter(all...), c.Stdin); err != nil {
		code = c.Problem("write", err)
	}
	return code
}

// wc counts lines, words, bytes and characters.
func wc(_ context.Context, c *command.Call) int {
	o, names, err := c.Options("l|lines w|words c|bytes m|chars")
	if err != nil {
		return c.Usage(err)
	}
	if len(o) == 0 {
		o = command.Options{"l": {""}, "w": {""}, "c": {""}}
	}
	var total [4]int
	report := func(n [4]int, name string) {
		var fields []string
		for i, letter := range []string{"l", "w", "m", "c"} {
			if o.Has(letter) {
				fields = append(fields, strconv.Itoa(n[i]))
			}
		}
		if name != "-" {
			fields = append(fields, name)
		}
		c.Printf("%s\n", strings.Join(fields, " "))
	}
	code := c.ForEach(names, func(name string, r io.Reader) error {
		n, err := count(r)
		for i := range n {
			total[i] += n[i]
		}
		if len(names) == 0 {
			name = "-"
		}
		if err == nil {
			report(n, name)
		}
		return err
	})
	if len(names) > 1 {
		report(total, "total")
	}
	return code
}

// count counts lines, words, characters and bytes.
func count(r io.Reader) (n [4]int, err error) {
	buf, inWord := make([]byte, 32<<10), false
	for {
		k, err := r.Read(buf)
		for _, b := range buf[:k] {
			if b == '\n' {
				n[0]++
			}
			space := b == ' ' || b >= '\t' && b <= '\r'
			if !space && !inWord {
				n[1]++
			}
			inWord = !space
			if utf8.RuneStart(b) {
				n[2]++
			}
		}
		n[3] += k
		if err != nil {
			return n, hideEOF(err)
		}
	}
}

// cut takes fields, characters or bytes out of lines.
func cut(_ context.Context, c *command.Call) int {
	o, names, err := c.Options("f: d: c: b: s n output-delimiter: complement")
	if err != nil {
		return c.Usage(err)
	}
	list := o.Value("f", o.Value("c", o.Value("b", "")))
	ranges, err := parseRanges(list)
	if err != nil {
		return c.Usage(err)
	}
	delimiter := o.Value("d", "\t")
	if len(delimiter) == 0 {
		delimiter = "\x00"
	}
	joint := o.Value("output-delimiter", delimiter)
	out := newOutput(c, names)
	code := c.ForEach(names, func(_ string, r io.Reader) error {
		return lines(r, func(line []byte, _ bool) bool {
			if !o.Has("f") {
				out.line(string(ranges.pickRunes(line, o.Has("b"), o.Has("complement"))))
				return true
			}
			if !bytes.Contains(line, []byte(delimiter)) {
				if !o.Has("s") {
					out.line(string(line))
				}
				return true
			}
			out.line(strings.Join(pick(ranges, strings.Split(string(line), delimiter), o.Has("complement")), joint))
			return true
		})
	})
	return out.finish(c, code)
}

// ranges are pairs of first and last, counted from 1; last 0: to the end.
type ranges [][2]int

func parseRanges(list string) (ranges, error) {
	var all ranges
	for _, part := range strings.Split(list, ",") {
		from, to, dash := strings.Cut(part, "-")
		first, err1 := strconv.Atoi(from)
		last, err2 := strconv.Atoi(to)
		switch {
		case !dash:
			last, err2 = first, nil
		case from == "" && to != "":
			first, err1 = 1, nil
		case to == "" && from != "":
			last, err2 = 0, nil
		}
		if err1 != nil || err2 != nil || first < 1 || last < 0 || last > 0 && last < first {
			return nil, fmt.Errorf("'%s': not a list such as 1,3-5,7-", list)
		}
		all = append(all, [2]int{first, last})
	}
	return all, nil
}

func (r ranges) has(n int) bool {
	for _, one := range r {
		if n >= one[0] && (n <= one[1] || one[1] == 0) {
			return true
		}
	}
	return false
}

func pick[T any](r ranges, all []T, complement bool) (picked []T) {
	for i, one := range all {
		if r.has(i+1) != complement {
			picked = append(picked, one)
		}
	}
	return picked
}

func (r ranges) pickRunes(line []byte, asBytes, complement bool) []byte {
	if asBytes {
		return pick(r, line, complement)
	}
	return []byte(string(pick(r, []rune(string(line)), complement)))
}
