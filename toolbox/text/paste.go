// SPDX-License-Identifier: Apache-2.0

package text

import (
	"bufio"
	"context"
	"io"
	"strings"

	"github.com/wazelet/wazelet/toolbox/command"
)

// paste joins the lines of files, side by side; -s those of each file. The delimiters of -d are used
// one after the other.
func paste(ctx context.Context, c *command.Call) int {
	o, names, err := c.Options("d|delimiters: s|serial")
	if err != nil {
		return c.Usage(err)
	}
	delimiters := pasteDelimiters(o.Value("d", "\t"))
	out := newOutput(c, names)
	if o.Has("s") {
		code := c.ForEach(names, func(_ string, r io.Reader) error {
			n := 0
			err := lines(r, func(line []byte, _ bool) bool {
				if n > 0 {
					_, _ = out.WriteString(delimiters[(n-1)%len(delimiters)]) // the writer keeps the error for Flush
				}
				_, _ = out.Write(line) // as above
				n++
				return true
			})
			out.line()
			return err
		})
		return out.finish(c, code)
	}
	if len(names) == 0 {
		names = []string{"-"}
	}
	s := &columns{eof: make([]bool, len(names))}
	var standard *bufio.Reader
	for _, name := range names {
		f, err := c.Open(name)
		if err != nil {
			return c.Problem(name, err)
		}
		defer f.Close()
		in := bufio.NewReader(f)
		if name == "-" {
			if standard == nil {
				standard = in
			}
			in = standard
		}
		s.ins = append(s.ins, in)
	}
	for ctx.Err() == nil {
		row, err := s.row()
		if err != nil {
			c.Errorf("%s", command.Reason(err))
			return out.finish(c, 1)
		}
		if row == nil {
			break
		}
		for i, cell := range row[:len(row)-1] {
			_, _ = out.WriteString(cell + delimiters[i%len(delimiters)]) // as above
		}
		out.line(row[len(row)-1])
	}
	return out.finish(c, 0)
}

// pasteDelimiters are the characters of a list; \0 in it stands for none.
func pasteDelimiters(list string) (all []string) {
	list, _ = unescape(list, false)
	for _, one := range list {
		all = append(all, strings.TrimRight(string(one), "\x00"))
	}
	if len(all) == 0 {
		all = []string{""}
	}
	return all
}
