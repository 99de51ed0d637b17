// SPDX-License-Identifier: Apache-2.0

package text

import (
	"bufio"
	"context"
	"errors"

	"github.com/wazelet/wazelet/toolbox/command"
)

// compare is cmp: where two files differ first, or with -l all bytes that do.
func compare(ctx context.Context, c *command.Call) int {
	o, names, err := c.Options("s|quiet|silent l|verbose")
	if err == nil && len(names) == 1 {
		names = append(names, "-")
	}
	if err == nil && len(names) != 2 {
		err = errors.New("two files are needed")
	}
	if err != nil {
		return c.Usage(err)
	}
	d := &comparison{c: c, silent: o.Has("s"), all: o.Has("l")}
	for i, name := range names {
		f, err := c.Open(name)
		if err != nil {
			c.Problem(name, err)
			return 2
		}
		defer f.Close()
		d.names[i], d.in[i] = name, bufio.NewReader(f)
	}
	return d.run(ctx)
}

type comparison struct {
	c           *command.Call
	silent, all bool
	names       [2]string
	in          [2]*bufio.Reader
}

func (d *comparison) run(ctx context.Context) int {
	code := 0
	for at, line := 1, 1; at%4096 != 0 || ctx.Err() == nil; at++ {
		a, errA := d.in[0].ReadByte()
		b, errB := d.in[1].ReadByte()
		switch {
		case errA != nil || errB != nil:
			return max(code, d.end(errA, errB))
		case a != b && !d.all:
			if !d.silent {
				d.c.Printf("%s %s differ: byte %d, line %d\n", d.names[0], d.names[1], at, line)
			}
			return 1
		case a != b:
			d.c.Printf("%d %3o %3o\n", at, a, b)
			code = 1
		case a == '\n':
			line++
		}
	}
	return 2
}

// end says what it means that a file has ended, or could not be read.
func (d *comparison) end(errA, errB error) int {
	for i, err := range []error{errA, errB} {
		if err = hideEOF(err); err != nil {
			d.c.Problem(d.names[i], err)
			return 2
		}
	}
	if errA != nil && errB != nil {
		return 0
	}
	shorter := d.names[0]
	if errA == nil {
		shorter = d.names[1]
	}
	if !d.silent {
		d.c.Errorf("EOF on %s", shorter)
	}
	return 1
}
