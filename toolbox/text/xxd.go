// SPDX-License-Identifier: Apache-2.0

package text

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/wazelet/wazelet/toolbox/command"
)

// plainWidth is how many bytes a line of xxd -p shows.
const plainWidth = 30

// xxd shows bytes in hexadecimal, with -p as nothing but digits; -r makes bytes of what it shows.
func xxd(_ context.Context, c *command.Call) int {
	o, names, err := c.Options("p|ps|plain r l: s:")
	if err == nil && len(names) > 1 {
		err = errors.New("one file at a time")
	}
	limit, lerr := command.ParseSize(o.Value("l", "9223372036854775807"))
	skip, serr := command.ParseSize(o.Value("s", "0"))
	if err = errors.Join(err, lerr, serr); err != nil {
		return c.Usage(err)
	}
	out := newOutput(c, names)
	code := c.ForEach(names, func(_ string, r io.Reader) error {
		switch {
		case o.Has("r"):
			return unhex(out, r, o.Has("p"))
		case o.Has("p"):
			return plainHex(out, r, skip, limit)
		}
		if _, err := io.CopyN(io.Discard, r, skip); err != nil {
			return hideEOF(err)
		}
		return rows(io.LimitReader(r, limit), func(at int, row []byte) {
			out.line(fmt.Sprintf("%08x: %-40s %s", at+int(skip), grouped(row, "%02x%02x "), printable(row)))
		}, func(int) {})
	})
	return out.finish(c, code)
}

func plainHex(out *output, r io.Reader, skip, limit int64) error {
	if _, err := io.CopyN(io.Discard, r, skip); err != nil {
		return hideEOF(err)
	}
	in, row := bufio.NewReader(io.LimitReader(r, limit)), make([]byte, plainWidth)
	for {
		n, err := io.ReadFull(in, row)
		if n > 0 {
			out.line(hex.EncodeToString(row[:n]))
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return hideEOF(err)
		}
	}
}

// unhex writes the bytes that lines stand for. Where they are in rows, an address is before them and
// what can be read of them behind two spaces.
func unhex(out *output, r io.Reader, plain bool) error {
	var bad error
	err := lines(r, func(line []byte, _ bool) bool {
		text := string(line)
		if !plain {
			if _, after, found := strings.Cut(text, ": "); found {
				text = after
			}
			text, _, _ = strings.Cut(text, "  ")
		}
		b, err := hex.DecodeString(strings.Join(strings.Fields(text), ""))
		if err != nil {
			bad = fmt.Errorf("%.20q: not hexadecimal", text)
			return false
		}
		_, _ = out.Write(b) // the writer keeps the error for Flush
		return true
	})
	return errors.Join(bad, err)
}
