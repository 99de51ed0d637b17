// SPDX-License-Identifier: Apache-2.0

package archive

import (
	stdtar "archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	goruntime "runtime"
	"strings"

	"github.com/wazelet/wazelet/toolbox/command"
)

// maxDepth bounds how deep directories may be in one another: with -h, links may make them endless.
const maxDepth = 256

// packer writes an archive.
type packer struct {
	*archiver
	w    *stdtar.Writer
	self os.FileInfo // the archive, if it is a file
	buf  []byte
}

// pack writes all operands.
func (p *packer) pack(w io.Writer) error {
	p.w, p.buf = stdtar.NewWriter(w), make([]byte, 32<<10)
	for _, operand := range p.o.operands {
		dir := ""
		if operand.dir != "" {
			dir = p.c.Path(operand.dir)
		}
		name := operand.name
		if trimmed := strings.TrimRight(name, "/"); trimmed != "" {
			name = trimmed
		} else if name != "" {
			name = "/"
		}
		if name == "" {
			p.fail("a file's name is empty")
			continue
		}
		if err := p.add(p.place(dir, name), name, 0); err != nil {
			return err
		}
	}
	return p.w.Close()
}

// place is the path of a name that is relative to dir; without dir, to the working directory.
func (p *packer) place(dir, name string) string {
	if dir == "" || path.IsAbs(name) {
		return p.c.Path(name)
	}
	return dir + "/" + name
}

// add writes a file, or a directory and what is in it. The error ends the archive; about a file that
// cannot be had there is only a message.
func (p *packer) add(file, name string, depth int) error {
	if p.ctx.Err() != nil {
		return context.Cause(p.ctx)
	}
	if p.o.excludes(name) {
		return nil
	}
	stat := os.Lstat
	if p.o.follow {
		stat = os.Stat
	}
	info, err := stat(file)
	switch {
	case err != nil:
		p.fail("%s: %s", name, command.Reason(err))
		return nil
	case p.self != nil && os.SameFile(p.self, info):
		p.c.Errorf("%s: it is the archive; not packed", name)
		return nil
	case depth > maxDepth:
		p.fail("%s: directories are more than %d deep", name, maxDepth)
		return nil
	}
	header := p.header(name, info)
	switch info.Mode().Type() {
	case 0:
		return p.file(file, name, header)
	case fs.ModeDir:
		header.Typeflag, header.Name = stdtar.TypeDir, strings.TrimSuffix(header.Name, "/")+"/"
		if err := p.entry(name+"/", header); err != nil || p.o.flat {
			return err
		}
		return p.directory(file, name, depth)
	case fs.ModeSymlink:
		header.Typeflag = stdtar.TypeSymlink
		if header.Linkname, err = os.Readlink(file); err != nil {
			p.fail("%s: %s", name, command.Reason(err))
			return nil
		}
		return p.entry(name, header)
	case fs.ModeSocket:
		p.c.Errorf("%s: socket ignored", name)
		return nil
	}
	p.fail("%s: neither a file nor a directory nor a link; not packed", name)
	return nil
}

// header describes a file. A file with several names is written with its content under each of
// them: `kubectl cp` makes an empty file of a hard link.
func (p *packer) header(name string, info fs.FileInfo) *stdtar.Header {
	packed := name
	if !p.o.absolute {
		var removed string
		if packed, removed = packedName(name); removed != "" && !p.stripped {
			p.stripped = true
			p.c.Errorf("Removing leading '%s' from member names", removed)
		}
	}
	return &stdtar.Header{
		Typeflag: stdtar.TypeReg, Name: packed, Mode: permissions(info), ModTime: info.ModTime(),
	}
}

// permissions of a file. Those of WASI programs are those that files of such a kind are made with:
// WASI does not tell others.
func permissions(info fs.FileInfo) int64 {
	switch {
	case goruntime.GOOS != "wasip1":
		return int64(info.Mode().Perm())
	case info.Mode().Type() == 0:
		return 0o644
	case info.IsDir():
		return 0o755
	}
	return 0o777
}

// entry writes the header of an entry.
func (p *packer) entry(name string, header *stdtar.Header) error {
	p.note(name)
	return p.w.WriteHeader(header)
}

// directory writes what is in a directory.
func (p *packer) directory(dir, name string, depth int) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		p.fail("%s: %s", name, command.Reason(err))
	}
	for _, entry := range entries {
		below := strings.TrimSuffix(name, "/") + "/" + entry.Name()
		if err := p.add(strings.TrimSuffix(dir, "/")+"/"+entry.Name(), below, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// file writes a regular file: as many bytes as it had when it was opened.
func (p *packer) file(file, name string, header *stdtar.Header) error {
	f, err := os.Open(file)
	if err == nil {
		defer f.Close()
		var info fs.FileInfo
		if info, err = f.Stat(); err == nil {
			header.Size = info.Size()
		}
	}
	if err != nil {
		p.fail("%s: %s", name, command.Reason(err))
		return nil
	}
	if err := p.entry(name, header); err != nil {
		return err
	}
	from := &source{r: io.LimitReader(reader{p.ctx, f}, header.Size)}
	n, err := io.CopyBuffer(onlyWriter{p.w}, from, p.buf)
	switch {
	case p.ctx.Err() != nil:
		return context.Cause(p.ctx)
	case err != nil && from.err == nil:
		return err // of the archive
	case from.err != nil:
		p.fail("%s: read error at byte %d: %s", name, n, command.Reason(from.err))
	case n < header.Size:
		p.c.Errorf("%s: file shrank by %d bytes; padding with zeros", name, header.Size-n)
		p.code = max(p.code, codeChanged)
	}
	_, err = io.CopyN(p.w, zeros{}, header.Size-n)
	return err
}

// source tells an error of reading from one of writing.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(b []byte) (int, error) {
	n, err := s.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// onlyWriter hides that the writer can read by itself, which would hide where an error was.
type onlyWriter struct{ io.Writer }

// zeros are what is read where a file has become shorter.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// longListing is an entry as tv shows it.
func longListing(h *stdtar.Header) string {
	owner, group := h.Uname, h.Gname
	if owner == "" {
		owner = fmt.Sprint(h.Uid)
	}
	if group == "" {
		group = fmt.Sprint(h.Gid)
	}
	who, kind := quoteName(owner+"/"+group), "-"
	switch h.Typeflag {
	case stdtar.TypeDir:
		kind = "d"
	case stdtar.TypeSymlink:
		kind = "l"
	case stdtar.TypeLink:
		kind = "h"
	case stdtar.TypeChar:
		kind = "c"
	case stdtar.TypeBlock:
		kind = "b"
	case stdtar.TypeFifo:
		kind = "p"
	}
	line := fmt.Sprintf("%s%s %s %*d %s %s", kind, fs.FileMode(h.Mode).Perm().String()[1:], who,
		max(0, 18-len(who)), h.Size, h.ModTime.Format("2006-01-02 15:04"), quoteName(h.Name))
	switch h.Typeflag {
	case stdtar.TypeSymlink:
		line += " -> " + quoteName(h.Linkname)
	case stdtar.TypeLink:
		line += " link to " + quoteName(h.Linkname)
	}
	return line
}
