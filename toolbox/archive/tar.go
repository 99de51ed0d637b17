// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"bufio"
	stdgzip "compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/wazelet/wazelet/toolbox/command"
)

// codeFailed is the exit code of a tar that could not do all it should, codeChanged that of one that
// packed a file which changed meanwhile.
const (
	codeChanged = 1
	codeFailed  = 2
)

// archiver is one run of tar.
type archiver struct {
	ctx context.Context
	c   *command.Call
	o   *options
	// names is where -v writes.
	names io.Writer
	code  int
	// stripped says that a message about names made relative was written.
	stripped bool
}

// tar packs files (c), unpacks (x) or lists (t) an archive.
func tar(ctx context.Context, c *command.Call) int {
	o, err := parseTar(c.Args)
	if err != nil {
		return c.Usage(err)
	}
	a := &archiver{ctx: ctx, c: c, o: o, names: c.Stdout}
	for _, file := range o.listed {
		if err := a.operandsFrom(file.name, file.dir); err != nil {
			return max(codeFailed, c.Problem(file.name, err))
		}
	}
	if o.mode == 'c' {
		err = a.create()
	} else {
		err = a.read()
	}
	if err != nil {
		a.fail("%s", command.Reason(err))
	}
	return a.code
}

// fail writes a message and makes tar fail in the end.
func (a *archiver) fail(format string, args ...any) {
	a.c.Errorf(format, args...)
	a.code = codeFailed
}

// maxListed bounds the names that a file names.
const maxListed = 1 << 20

// operandsFrom adds the names that a file lists, one a line (-T).
func (a *archiver) operandsFrom(file, dir string) error {
	f, err := a.c.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(reader{a.ctx, f})
	for lines.Scan() {
		if len(a.o.operands) == maxListed {
			return fmt.Errorf("more than %d names", maxListed)
		}
		if name := lines.Text(); name != "" {
			a.o.operands = append(a.o.operands, operand{name, dir})
		}
	}
	return lines.Err()
}

// create writes the archive to its file or to standard output.
func (a *archiver) create() (err error) {
	if len(a.o.operands) == 0 && len(a.o.listed) == 0 {
		return errors.New("an empty archive is not made: name a file")
	}
	p := &packer{archiver: a}
	out := a.c.Stdout
	if a.o.file == "-" {
		if command.IsTerminal(out) {
			return errors.New("an archive is not written to a terminal: use -f")
		}
		a.names = a.c.Stderr
	} else {
		f, err := os.OpenFile(a.c.Path(a.o.file), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
		if err != nil {
			return fmt.Errorf("%s: %s", a.o.file, command.Reason(err))
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		if p.self, err = f.Stat(); err != nil {
			return err
		}
		out = f
	}
	buffered := bufio.NewWriterSize(out, 32<<10)
	if !a.o.gzip {
		return errors.Join(p.pack(buffered), buffered.Flush())
	}
	packed := stdgzip.NewWriter(buffered)
	return errors.Join(p.pack(packed), packed.Close(), buffered.Flush())
}

// read opens the archive, unpacks it where it is compressed, and lists or extracts it.
func (a *archiver) read() error {
	file, err := a.c.Open(a.o.file)
	if err != nil {
		return fmt.Errorf("%s: %s", a.o.file, command.Reason(err))
	}
	defer file.Close()
	if a.o.stdout {
		a.names = a.c.Stderr
	}
	in := bufio.NewReaderSize(reader{a.ctx, file}, 32<<10)
	stream := io.Reader(in)
	if magic, _ := in.Peek(2); string(magic) == "\x1f\x8b" || a.o.gzip {
		if stream, err = stdgzip.NewReader(in); err != nil {
			return errors.New("it is not in gzip format")
		}
	}
	if err := a.entries(stream); err != nil {
		return err
	}
	// Who writes the archive may not have written its padding yet, and is not to find the pipe broken.
	_, err = io.Copy(io.Discard, in)
	return err
}

// note writes the name of an entry for -v.
func (a *archiver) note(name string) {
	if a.o.verbose > 0 {
		fmt.Fprintf(a.names, "%s\n", quoteName(name))
	}
}

// quoteName keeps a name on one line.
func quoteName(name string) string {
	if strings.IndexFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' }) < 0 {
		return name
	}
	return strings.NewReplacer("\\", `\\`, "\n", `\n`, "\t", `\t`, "\r", `\r`, "\x1b", `\033`).Replace(name)
}
