// SPDX-License-Identifier: Apache-2.0

package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	goruntime "runtime"
	"strings"
	"time"

	"github.com/wazelet/wazelet/toolbox/command"
)

// ddJob is what dd was told, by the names of its operands.
type ddJob struct {
	in, out                     string
	bs, count, skip, seek       int64
	counted, silent             bool
	notrunc, sync, full, append bool
}

func parseDD(args []string) (ddJob, error) {
	j := ddJob{bs: 512}
	numbers := map[string]*int64{"bs": &j.bs, "ibs": &j.bs, "obs": &j.bs, "count": &j.count, "skip": &j.skip, "seek": &j.seek}
	for _, arg := range args {
		key, value, ok := strings.Cut(arg, "=")
		number := numbers[key]
		switch {
		case !ok:
			return j, fmt.Errorf("%s: operands are KEY=VALUE", arg)
		case number != nil:
			n, err := command.ParseSize(value)
			if err != nil {
				return j, err
			}
			*number = n
			j.counted = j.counted || key == "count"
		case key == "if":
			j.in = value
		case key == "of":
			j.out = value
		case key == "status":
			j.silent = value == "none"
		case key == "conv" || key == "iflag" || key == "oflag":
			for flag := range strings.SplitSeq(value, ",") {
				if !j.flag(flag) {
					return j, fmt.Errorf("%s=%s: not supported", key, flag)
				}
			}
		default:
			return j, fmt.Errorf("%s: unknown operand", arg)
		}
	}
	if j.bs <= 0 || j.bs > 1<<30 {
		return j, errors.New("bs: between 1 byte and 1 GiB")
	}
	return j, nil
}

func (j *ddJob) flag(name string) bool {
	switch name {
	case "notrunc":
		j.notrunc = true
	case "sync":
		j.sync = true
	case "fullblock":
		j.full = true
	case "append":
		j.append = true
	case "fsync", "noerror":
	default:
		return false
	}
	return true
}

// dd copies blocks. Its buffer is as large as it is told, and used: over a limit of memory, this is
// felt.
func dd(ctx context.Context, c *command.Call) int {
	j, err := parseDD(c.Args)
	if err != nil {
		return c.Usage(err)
	}
	in, out := c.Stdin, c.Stdout
	if j.in != "" {
		f, err := os.Open(c.Path(j.in))
		if err != nil {
			return c.Problem(j.in, err)
		}
		defer f.Close()
		in = f
	}
	var written *os.File
	if j.out != "" {
		flags := os.O_WRONLY | os.O_CREATE
		switch {
		case j.append:
			flags |= os.O_APPEND
		case !j.notrunc && j.seek == 0:
			flags |= os.O_TRUNC
		}
		if written, err = os.OpenFile(c.Path(j.out), flags, 0o666); err != nil {
			return c.Problem(j.out, err)
		}
		defer written.Close()
		if _, err := written.Seek(j.seek*j.bs, io.SeekStart); j.seek > 0 && err != nil {
			return c.Problem(j.out, err)
		}
		out = written
	}
	began := time.Now()
	s, err := j.copy(ctx, in, out)
	if written != nil {
		err = errors.Join(err, written.Close())
	}
	if !j.silent {
		took := time.Since(began).Seconds()
		fmt.Fprintf(c.Stderr, "%d+%d records in\n%d+%d records out\n%d bytes copied, %.6f s\n",
			s.full, s.partial, s.full, s.partial, s.bytes, took)
	}
	if err != nil {
		return c.Errorf("%s", command.Reason(err))
	}
	return 0
}

type ddStats struct{ full, partial, bytes int64 }

func (j *ddJob) copy(ctx context.Context, in io.Reader, out io.Writer) (s ddStats, err error) {
	block := make([]byte, j.bs)
	for i := range block {
		block[i] = 0xff // touched, whatever is read
	}
	if _, err := io.CopyN(io.Discard, in, j.skip*j.bs); err != nil && !errors.Is(err, io.EOF) {
		return s, err
	}
	for ctx.Err() == nil && (!j.counted || s.full+s.partial < j.count) {
		goruntime.Gosched() // where one thread serves all, others come to their turn
		var n int
		if j.full {
			n, err = io.ReadFull(in, block)
		} else {
			n, err = in.Read(block)
		}
		if n > 0 {
			if n == len(block) {
				s.full++
			} else {
				s.partial++
			}
			if j.sync {
				clear(block[n:])
				n = len(block)
			}
			k, werr := out.Write(block[:n])
			s.bytes += int64(k)
			if werr != nil {
				return s, werr
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return s, nil
		}
		if err != nil {
			return s, err
		}
	}
	return s, nil
}
