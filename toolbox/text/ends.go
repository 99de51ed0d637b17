// SPDX-License-Identifier: Apache-2.0

package text

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/wazelet/wazelet/toolbox/command"
)

// amount is how many lines or bytes head and tail are to write.
type amount struct {
	n     int64
	bytes bool
	sign  byte // as it was written: '+', '-' or 0
}

// parseAmount reads -n, -c or -NUMBER; numbers may end in k, m or b.
func parseAmount(o command.Options) (amount, error) {
	text := o.Value("n", o.Value("#", "10"))
	a := amount{bytes: o.Has("c")}
	if a.bytes {
		text = o.Value("c", "")
	}
	digits := text
	if text != "" && (text[0] == '+' || text[0] == '-') {
		a.sign, digits = text[0], text[1:]
	}
	n, err := command.ParseSize(digits)
	if err != nil {
		return a, fmt.Errorf("%s: a number is needed", text)
	}
	a.n = n
	return a, nil
}

// head writes the first lines or bytes.
func head(_ context.Context, c *command.Call) int {
	o, names, err := c.Options("n:|lines c:|bytes q|quiet|silent v|verbose #")
	if err != nil {
		return c.Usage(err)
	}
	a, err := parseAmount(o)
	if err != nil {
		return c.Usage(err)
	}
	title := newTitles(c, names, o)
	return c.ForEach(names, func(name string, r io.Reader) error {
		title.write(name)
		if a.sign == '-' {
			return headExcept(c, r, a)
		}
		if a.bytes {
			_, err := io.CopyN(c.Stdout, r, a.n)
			return hideEOF(err)
		}
		return headLines(c.Stdout, r, a.n)
	})
}

// headLines copies lines, and takes no byte of those that follow them from an input that others
// read after it.
func headLines(w io.Writer, r io.Reader, n int64) error {
	if _, shared := r.(io.Seeker); !shared {
		r = command.Lines{In: command.NewInput(r)}
	}
	buf := make([]byte, 4096)
	for n > 0 {
		k, err := r.Read(buf)
		part := buf[:k]
		for i, b := range part {
			if b == '\n' {
				if n--; n == 0 {
					part = part[:i+1]
					break
				}
			}
		}
		if _, err := w.Write(part); err != nil {
			return err
		}
		if err != nil {
			return hideEOF(err)
		}
	}
	return nil
}

// headExcept writes all but the last lines or bytes.
func headExcept(c *command.Call, r io.Reader, a amount) error {
	content, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	_, err = c.Stdout.Write(content[:len(content)-len(lastOf(content, a))])
	return err
}

// lastOf is the part of content that tail writes.
func lastOf(content []byte, a amount) []byte {
	if a.bytes {
		return content[max(0, int64(len(content))-a.n):]
	}
	at := len(content)
	if at > 0 && content[at-1] == '\n' {
		at--
	}
	for n := a.n; n > 0; n-- {
		if at = bytes.LastIndexByte(content[:max(at, 0)], '\n'); at < 0 {
			return content
		}
	}
	if a.n == 0 {
		return nil
	}
	return content[at+1:]
}

// tail writes the last lines or bytes, or with + all from there on; -f waits for more.
func tail(ctx context.Context, c *command.Call) int {
	args := c.Args
	if len(args) > 0 && len(args[0]) > 1 && args[0][0] == '+' { // tail +3, as it was written once
		if _, err := command.ParseSize(args[0][1:]); err == nil {
			args = append([]string{"-n"}, args...)
		}
	}
	o, names, err := command.ParseOptions("n:|lines c:|bytes f|follow F s: q|quiet|silent v|verbose #", args)
	if err != nil {
		return c.Usage(err)
	}
	a, err := parseAmount(o)
	if err != nil {
		return c.Usage(err)
	}
	follow := o.Has("f") || o.Has("F")
	if follow && len(names) > 1 {
		return c.Usage(errors.New("-f follows one file"))
	}
	title := newTitles(c, names, o)
	return c.ForEach(names, func(name string, r io.Reader) error {
		title.write(name)
		err := tailOf(c.Stdout, r, a)
		if f, regular := r.(*os.File); regular && follow && err == nil {
			return followFile(ctx, c, name, f)
		}
		return err
	})
}

// tailOf writes the end of a stream, holding no more than that in memory.
func tailOf(w io.Writer, r io.Reader, a amount) error {
	if a.sign == '+' {
		return tailFrom(w, command.NewInput(r), a)
	}
	var kept []byte
	buf := make([]byte, 64<<10)
	for {
		n, err := r.Read(buf)
		if kept = append(kept, buf[:n]...); len(kept) > 1<<20 {
			kept = append([]byte(nil), lastOf(kept, a)...)
		}
		if err != nil {
			if _, werr := w.Write(lastOf(kept, a)); werr != nil {
				return werr
			}
			return hideEOF(err)
		}
	}
}

// tailFrom writes all from a line or a byte on.
func tailFrom(w io.Writer, in *command.Input, a amount) error {
	var err error
	if a.bytes {
		_, err = io.CopyN(io.Discard, in, max(a.n-1, 0))
	} else {
		err = headLines(io.Discard, in, a.n-1)
	}
	if err != nil {
		return hideEOF(err)
	}
	_, err = io.Copy(w, in)
	return err
}

// followEvery is how often a followed file is looked at.
const followEvery = time.Second

// followFile writes what is appended to a file. One that has become shorter is read anew, one that
// has been replaced opened anew.
func followFile(ctx context.Context, c *command.Call, name string, f *os.File) error {
	ours := false
	defer func() {
		if ours {
			f.Close()
		}
	}()
	for command.Sleep(ctx, followEvery) {
		if _, err := io.Copy(c.Stdout, f); err != nil {
			return err
		}
		here, err := f.Stat()
		if err != nil {
			return err
		}
		now, err := os.Stat(c.Path(name))
		switch at, _ := f.Seek(0, io.SeekCurrent); {
		case err != nil: // gone; it may come back
		case !os.SameFile(here, now):
			next, err := os.Open(c.Path(name))
			if err != nil {
				continue
			}
			if ours {
				f.Close()
			}
			f, ours = next, true
		case now.Size() < at:
			if _, err := f.Seek(0, io.SeekStart); err != nil {
				return err
			}
		}
	}
	return nil
}

// titles are written before each of several files.
type titles struct {
	c     *command.Call
	shown bool
	some  bool
}

func newTitles(c *command.Call, names []string, o command.Options) *titles {
	return &titles{c: c, shown: (len(names) > 1 || o.Has("v")) && !o.Has("q")}
}

func (t *titles) write(name string) {
	if !t.shown {
		return
	}
	gap := ""
	if t.some {
		gap = "\n"
	}
	if name == "-" {
		name = "standard input"
	}
	t.c.Printf("%s==> %s <==\n", gap, name)
	t.some = true
}
