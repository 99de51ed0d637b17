// SPDX-License-Identifier: Apache-2.0

package text

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"github.com/wazelet/wazelet/toolbox/command"
)

// maxSpace bounds the pattern and the hold space, and a file that is edited in place.
const maxSpace = 16 << 20

// sedOptions are how sed was called.
type sedOptions struct {
	script        []*sedCommand
	silent, apart bool
	inPlace       bool
	suffix        string // of the copy that in place leaves
	separator     byte
	writeTo       map[string]io.Writer // of the commands w
	writers       []*bufio.Writer
	closers       []io.Closer
}

// sed edits streams, or with -i files.
func sed(ctx context.Context, c *command.Call) int {
	o, names, err := parseSedOptions(c)
	if err != nil {
		return c.Usage(err)
	}
	code := 0
	defer o.close(c, &code)
	switch {
	case o.inPlace && len(names) == 0:
		return c.Usage(errors.New("-i: which files?"))
	case len(names) == 0:
		names = []string{"-"}
	}
	if !o.apart && !o.inPlace {
		code, _, _ = o.edit(ctx, c, names, c.Stdout)
		return code
	}
	for _, name := range names {
		one, ended := 0, false
		if o.inPlace {
			one, ended = o.replace(ctx, c, name)
		} else {
			one, ended, _ = o.edit(ctx, c, []string{name}, c.Stdout)
		}
		if code = max(code, one); ended {
			break
		}
	}
	return code
}

func parseSedOptions(c *command.Call) (*sedOptions, []string, error) {
	o := &sedOptions{separator: '\n', writeTo: map[string]io.Writer{"/dev/stderr": c.Stderr}}
	args := make([]string, 0, len(c.Args))
	for _, arg := range c.Args { // -i may have a suffix
		for _, prefix := range []string{"--in-place=", "-i"} {
			if suffix, found := strings.CutPrefix(arg, prefix); found && suffix != "" {
				arg, o.suffix = "-i", suffix
			}
		}
		args = append(args, arg)
	}
	given, names, err := command.ParseOptions("n|quiet|silent e|expression: f|file: E|regexp-extended r i|in-place "+
		"s|separate u|unbuffered z|null-data posix", args)
	if err != nil {
		return nil, nil, err
	}
	text := append([]string(nil), given["e"]...)
	for _, name := range given["f"] {
		script, err := readScript(c, name)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %s", name, command.Reason(err))
		}
		text = append(text, strings.TrimSuffix(script, "\n"))
	}
	if len(text) == 0 {
		if len(names) == 0 {
			return nil, nil, errors.New("which script?")
		}
		text, names = names[:1], names[1:]
	}
	d := reBasic
	if given.Has("E") || given.Has("r") {
		d = reExtended
	}
	script := strings.Join(text, "\n")
	o.silent = given.Has("n") || strings.HasPrefix(script, "#n\n")
	o.apart, o.inPlace = given.Has("s"), given.Has("i")
	if given.Has("z") {
		o.separator = 0
	}
	if o.script, err = parseSed(script, d); err != nil {
		return nil, nil, err
	}
	return o, names, o.openFiles(c)
}

func readScript(c *command.Call, name string) (string, error) {
	f, err := c.Open(name)
	if err != nil {
		return "", err
	}
	script, err := io.ReadAll(io.LimitReader(f, maxScript+1))
	return string(script), errors.Join(err, f.Close())
}

// openFiles opens what the commands w write, before any line is read.
func (o *sedOptions) openFiles(c *command.Call) error {
	for _, cmd := range o.script {
		if cmd.file == "" || cmd.name == 'r' || o.writeTo[cmd.file] != nil || cmd.file == "/dev/stdout" {
			continue
		}
		f, err := os.Create(c.Path(cmd.file))
		if err != nil {
			return fmt.Errorf("%s: %s", cmd.file, command.Reason(err))
		}
		w := bufio.NewWriter(f)
		o.writeTo[cmd.file] = w
		o.writers, o.closers = append(o.writers, w), append(o.closers, f)
	}
	return nil
}

func (o *sedOptions) close(c *command.Call, code *int) {
	for i, w := range o.writers {
		if err := errors.Join(w.Flush(), o.closers[i].Close()); err != nil {
			*code = c.Problem("write", err)
		}
	}
}

// edit edits files as one stream. ended: nothing is to follow.
func (o *sedOptions) edit(ctx context.Context, c *command.Call, names []string, w io.Writer) (code int, ended bool, err error) {
	for _, cmd := range o.script {
		cmd.active, cmd.begun = false, false
	}
	to := *c
	to.Stdout = w
	e := &editor{
		ctx: ctx, c: &to, o: o, out: newOutput(&to, names),
		in: &sedInput{ctx: ctx, c: c, names: names, separator: o.separator},
	}
	err = e.all()
	e.in.close(nil)
	err = errors.Join(err, e.out.Flush())
	if code = max(e.code, e.in.code); err != nil {
		code = max(code, c.Errorf("%s", command.Reason(err)))
	}
	return code, e.quit || err != nil, err
}

// replace edits a file in place. Its content is replaced and not the file: one that is mounted can
// be edited, and other names of it show the same.
func (o *sedOptions) replace(ctx context.Context, c *command.Call, name string) (code int, ended bool) {
	file, edited := c.Path(name), &bounded{}
	content, err := os.ReadFile(file)
	if err != nil {
		return max(2, c.Problem(name, err)), false
	}
	from := *c
	from.Stdin = bytes.NewReader(content)
	if code, ended, err = o.edit(ctx, &from, []string{"-"}, edited); err != nil {
		return code, true
	}
	if o.suffix != "" {
		copied := file + o.suffix
		if strings.Contains(o.suffix, "*") {
			dir, base := path.Split(file)
			copied = dir + strings.ReplaceAll(o.suffix, "*", base)
		}
		err = os.WriteFile(copied, content, 0o666)
	}
	if err == nil {
		err = os.WriteFile(file, edited.Bytes(), 0o666)
	}
	if err != nil {
		code = max(code, c.Problem(name, err))
	}
	return code, ended
}

// bounded holds what a file is to become.
type bounded struct{ bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxSpace {
		return 0, fmt.Errorf("a file larger than %d bytes is not edited in place", maxSpace)
	}
	return b.Buffer.Write(p)
}
