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
	"path"
	"strconv"
	"strings"
	"syscall"

	"github.com/wazelet/wazelet/toolbox/command"
)

// codeWarning is the exit code of a gzip that did its work and noticed something.
const codeWarning = 2

// packing is one run of gzip.
type packing struct {
	ctx     context.Context
	c       *command.Call
	o       command.Options
	level   int
	unpack  bool
	test    bool
	stdout  bool // to standard output; the files stay
	keep    bool
	force   bool
	verbose bool
	suffix  string
}

// errTrailing: behind the compressed data there is something else.
var errTrailing = errors.New("decompression OK, trailing garbage ignored")

// gzip compresses each file to one of its own, or with -d the reverse.
func gzip(ctx context.Context, c *command.Call) int {
	o, names, err := c.Options("c|stdout|to-stdout d|decompress|uncompress k|keep n|no-name N|name f|force q|quiet " +
		"t|test v|verbose S:|suffix 1|fast 2 3 4 5 6 7 8 9|best")
	if err != nil {
		return c.Usage(err)
	}
	p := &packing{
		ctx: ctx, c: c, o: o, level: stdgzip.DefaultCompression, test: o.Has("t"),
		unpack: o.Has("d") || c.Name != "gzip", stdout: o.Has("c") || c.Name == "zcat",
		keep: o.Has("k"), force: o.Has("f"), verbose: o.Has("v"), suffix: o.Value("S", ".gz"),
	}
	for level := 1; level <= 9; level++ {
		if o.Has(strconv.Itoa(level)) {
			p.level = level
		}
	}
	if p.suffix == "" || strings.Contains(p.suffix, "/") {
		return c.Usage(fmt.Errorf("invalid suffix '%s'", p.suffix))
	}
	if len(names) == 0 {
		names = []string{"-"}
	}
	code := 0
	for _, name := range names {
		if err := p.one(name); err != nil {
			code = p.problem(name, err, code)
		}
	}
	return code
}

// problem reports what was wrong, and returns the exit code: 1 counts more than 2, a warning.
func (p *packing) problem(name string, err error, code int) int {
	if name == "-" {
		name = "stdin"
	}
	if !errors.Is(err, errTrailing) {
		return p.c.Problem(name, err)
	}
	if !p.o.Has("q") {
		p.c.Problem(name, err)
	}
	if code == 0 {
		code = codeWarning
	}
	return code
}

func (p *packing) one(name string) (err error) {
	target := ""
	if !p.stdout && !p.test && name != "-" {
		if target, err = p.target(name); err != nil {
			return err
		}
	}
	f, err := p.c.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	in := reader{p.ctx, f}
	switch {
	case p.test:
		return p.expand(io.Discard, in)
	case target != "":
		return p.toFile(name, target, in)
	case !p.unpack && !p.force && command.IsTerminal(p.c.Stdout):
		return errors.New("compressed data is not written to a terminal; -f forces it")
	}
	return p.copy(p.c.Stdout, in)
}

// copy compresses or expands.
func (p *packing) copy(w io.Writer, r io.Reader) error {
	if p.unpack {
		return p.expand(w, r)
	}
	packed, err := stdgzip.NewWriterLevel(w, p.level)
	if err != nil {
		return err
	}
	_, err = io.Copy(packed, r)
	return errors.Join(err, packed.Close())
}

// target is the name of the file that comes of another.
func (p *packing) target(name string) (string, error) {
	if !p.unpack {
		if strings.HasSuffix(name, p.suffix) {
			return "", fmt.Errorf("already has %s suffix -- unchanged", p.suffix)
		}
		return name + p.suffix, nil
	}
	for _, suffix := range []string{p.suffix, ".gz", "-gz", ".tgz"} {
		stem, found := strings.CutSuffix(name, suffix)
		if !found || path.Base(stem) == "." || stem == "" || strings.HasSuffix(stem, "/") {
			continue
		}
		if suffix == ".tgz" {
			stem += ".tar"
		}
		return stem, nil
	}
	return "", errors.New("unknown suffix -- ignored")
}

// toFile writes another file, with the time of the first, which is removed then.
func (p *packing) toFile(name, target string, in io.Reader) error {
	file, flags := p.c.Path(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL
	info, err := os.Lstat(file)
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular() && !p.force:
		return errors.New("not a regular file -- ignored")
	case p.force:
		flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	out, err := os.OpenFile(p.c.Path(target), flags, info.Mode().Perm())
	if errors.Is(err, syscall.EEXIST) {
		return fmt.Errorf("%s already exists; -f overwrites it", target)
	}
	if err != nil {
		return fmt.Errorf("%s: %s", target, command.Reason(err))
	}
	err = errors.Join(p.copy(out, in), out.Close())
	if err != nil && !errors.Is(err, errTrailing) {
		return errors.Join(err, os.Remove(p.c.Path(target)))
	}
	setTime(p.c.Path(target), info.ModTime())
	if p.verbose {
		fmt.Fprintf(p.c.Stderr, "%s: made %s\n", name, target)
	}
	if !p.keep {
		err = errors.Join(err, os.Remove(file))
	}
	return err
}

// expand writes what compressed data stands for: one member after the other. With -cf what is not
// compressed is copied.
func (p *packing) expand(w io.Writer, r io.Reader) error {
	in := bufio.NewReaderSize(r, 32<<10)
	if magic, err := in.Peek(2); string(magic) != "\x1f\x8b" {
		switch {
		case p.force && p.stdout:
			_, err = in.WriteTo(w)
			return err
		case err != nil && !errors.Is(err, io.EOF):
			return err
		case len(magic) == 0:
			return errors.New("unexpected end of file")
		}
		return errors.New("not in gzip format")
	}
	member, err := stdgzip.NewReader(in)
	for err == nil {
		member.Multistream(false)
		if _, err = io.Copy(w, member); err != nil {
			break
		}
		if magic, _ := in.Peek(2); string(magic) != "\x1f\x8b" {
			return trailing(in)
		}
		err = member.Reset(in)
	}
	switch {
	case p.ctx.Err() != nil:
		return context.Cause(p.ctx)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return errors.New("unexpected end of file")
	case errors.Is(err, stdgzip.ErrChecksum):
		return errors.New("crc error")
	case errors.Is(err, stdgzip.ErrHeader):
		return errors.New("not in gzip format")
	}
	return err
}

// trailing reads what is behind the last member: zeros are padding.
func trailing(in *bufio.Reader) error {
	garbage := false
	for {
		b, err := in.ReadByte()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		garbage = garbage || b != 0
	}
	if garbage {
		return errTrailing
	}
	return nil
}
