// SPDX-License-Identifier: Apache-2.0

// Package text has the commands that write, filter and take apart text.
package text

import (
	"bufio"
	"context"
	"errors"
	"io"
	goruntime "runtime"
	"strings"

	"github.com/wazelet/wazelet/toolbox/command"
)

// Commands are the commands of this package.
func Commands() map[string]command.Func {
	return map[string]command.Func{
		"echo": echo, "printf": printf, "true": always(0), "false": always(1),
		"cat": cat, "tac": tac, "rev": rev, "nl": nl, "head": head, "tail": tail, "wc": wc,
		"grep": grep, "egrep": grep, "fgrep": grep, "sed": sed,
		"cut": cut, "tr": tr, "sort": sortLines, "uniq": uniq, "paste": paste, "comm": comm,
		"tee": tee, "seq": seq, "yes": yes, "expr": expr, "clear": clearScreen,
		"base64": encode64, "sha1sum": checksum, "sha256sum": checksum, "sha512sum": checksum,
		"md5sum": checksum, "cksum": checksum,
		"hexdump": hexdump, "xxd": xxd, "od": od, "diff": diff, "cmp": compare,
		"vi": command.Refuse("there is no editor here; write files with cat >FILE, or copy them in with kubectl cp"),
	}
}

func always(code int) command.Func {
	return func(context.Context, *command.Call) int { return code }
}

// maxLine bounds a line: what is longer is passed on in parts of this size.
const maxLine = 16 << 20

// lines calls do with each line of a stream, without its newline, as long as do wants more. whole
// says that it had one.
func lines(r io.Reader, do func(line []byte, whole bool) (more bool)) error {
	in := bufio.NewReader(r)
	for {
		line, err := readLine(in)
		if len(line) == 0 && err != nil {
			return hideEOF(err)
		}
		whole := len(line) > 0 && line[len(line)-1] == '\n'
		if whole {
			line = line[:len(line)-1]
		}
		if !do(line, whole) {
			return nil
		}
		if err != nil {
			return hideEOF(err)
		}
	}
}

func hideEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// readLine reads up to a newline; the slice is valid until the next read where it is short.
func readLine(in *bufio.Reader) ([]byte, error) {
	line, err := in.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return line, err
	}
	long := append([]byte(nil), line...)
	for errors.Is(err, bufio.ErrBufferFull) && len(long) < maxLine {
		line, err = in.ReadSlice('\n')
		long = append(long, line...)
	}
	if errors.Is(err, bufio.ErrBufferFull) {
		err = nil
	}
	return long, err
}

// output buffers what a filter writes: up to the end for files, line by line for what somebody may
// be watching.
type output struct {
	*bufio.Writer
	eager bool
}

func newOutput(c *command.Call, names []string) *output {
	o := &output{Writer: bufio.NewWriter(c.Stdout), eager: len(names) == 0}
	for _, name := range names {
		o.eager = o.eager || name == "-"
	}
	return o
}

// line ends a line.
func (o *output) line(parts ...string) {
	for _, part := range parts {
		_, _ = o.WriteString(part) // the writer keeps the error for Flush
	}
	_ = o.WriteByte('\n')
	if o.eager {
		_ = o.Flush()
	}
}

// finish writes the rest and returns the exit code: code, or 1 where it could not be written.
func (o *output) finish(c *command.Call, code int) int {
	if err := o.Flush(); err != nil {
		return c.Problem("write", err)
	}
	return code
}

// clearScreen clears a terminal.
func clearScreen(_ context.Context, c *command.Call) int { return c.Write("\x1b[H\x1b[2J") }

// yes writes a line for ever.
func yes(ctx context.Context, c *command.Call) int {
	line := "y\n"
	if len(c.Args) > 0 {
		line = strings.Join(c.Args, " ") + "\n"
	}
	many := strings.Repeat(line, max(1, 4096/len(line)))
	for ctx.Err() == nil {
		goruntime.Gosched() // where one thread serves all, others come to their turn
		if code := c.Write(many); code != 0 {
			return code
		}
	}
	return 1
}
