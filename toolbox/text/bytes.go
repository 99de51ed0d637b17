// SPDX-License-Identifier: Apache-2.0

package text

import (
	"bufio"
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"
	"strings"

	"github.com/wazelet/wazelet/toolbox/command"
)

// newHash is the function that a command is named after.
func newHash(name string) hash.Hash {
	switch name {
	case "md5sum":
		return md5.New()
	case "sha1sum":
		return sha1.New()
	case "sha512sum":
		return sha512.New()
	}
	return sha256.New()
}

// checksum writes digests of files, or with -c checks those of a list.
func checksum(_ context.Context, c *command.Call) int {
	o, names, err := c.Options("c|check b t s|status w")
	if err != nil {
		return c.Usage(err)
	}
	if o.Has("c") {
		return verify(c, names, o.Has("s"))
	}
	return c.ForEach(names, func(name string, r io.Reader) error {
		digest, err := digestOf(c.Name, r)
		if err == nil {
			gap := "  "
			if c.Name == "cksum" {
				gap = " "
			}
			if name == "-" && c.Name == "cksum" {
				gap, name = "", ""
			}
			c.Printf("%s%s%s\n", digest, gap, name)
		}
		return err
	})
}

func digestOf(name string, r io.Reader) (string, error) {
	if name == "cksum" {
		return posixChecksum(r)
	}
	h := newHash(name)
	_, err := io.Copy(h, r)
	return hex.EncodeToString(h.Sum(nil)), err
}

func verify(c *command.Call, lists []string, silent bool) int {
	bad, checked := 0, 0
	code := c.ForEach(lists, func(_ string, r io.Reader) error {
		return lines(r, func(line []byte, _ bool) bool {
			want, name, ok := strings.Cut(string(line), " ")
			if !ok {
				return true
			}
			checked++
			name = strings.TrimLeft(name, " *")
			result := "OK"
			f, err := c.Open(name)
			var have string
			if err == nil {
				have, err = digestOf(c.Name, f)
				err = errors.Join(err, f.Close())
			}
			if err != nil {
				c.Problem(name, err)
			}
			if err != nil || !strings.EqualFold(have, want) {
				result = "FAILED"
				bad++
			}
			if !silent {
				c.Printf("%s: %s\n", name, result)
			}
			return true
		})
	})
	switch {
	case bad > 0:
		return c.Errorf("%d of %d checksums do not match", bad, checked)
	case checked == 0 && code == 0:
		return c.Errorf("there are no checksums in it")
	}
	return code
}

// posixChecksum is the CRC of POSIX's cksum, and the length.
func posixChecksum(r io.Reader) (string, error) {
	var crc uint32
	update := func(b byte) {
		crc ^= uint32(b) << 24
		for range 8 {
			if crc&(1<<31) != 0 {
				crc = crc<<1 ^ 0x04c11db7
			} else {
				crc <<= 1
			}
		}
	}
	in, n := bufio.NewReader(r), 0
	for {
		b, err := in.ReadByte()
		if err != nil {
			for left := n; left > 0; left >>= 8 {
				update(byte(left))
			}
			return fmt.Sprintf("%d %d", ^crc, n), hideEOF(err)
		}
		update(b)
		n++
	}
}

// encode64 encodes, or with -d decodes, base64.
func encode64(_ context.Context, c *command.Call) int {
	o, names, err := c.Options("d|decode w:|wrap i|ignore-garbage")
	if err == nil && len(names) > 1 {
		err = errors.New("one file at a time")
	}
	width, werr := strconv.Atoi(o.Value("w", "76"))
	if err = errors.Join(err, werr); err != nil {
		return c.Usage(err)
	}
	return c.ForEach(names, func(_ string, r io.Reader) error {
		if o.Has("d") {
			_, err := io.Copy(c.Stdout, base64.NewDecoder(base64.StdEncoding, r)) // which skips newlines
			return err
		}
		w := &wrapper{w: bufio.NewWriter(c.Stdout), width: width}
		e := base64.NewEncoder(base64.StdEncoding, w)
		_, err := io.Copy(e, r)
		return errors.Join(err, e.Close(), w.finish())
	})
}

// wrapper breaks lines.
type wrapper struct {
	w          *bufio.Writer
	width, has int
}

func (w *wrapper) Write(b []byte) (int, error) {
	for _, one := range b {
		if w.width > 0 && w.has == w.width {
			_ = w.w.WriteByte('\n') // the writer keeps the error for Flush
			w.has = 0
		}
		_ = w.w.WriteByte(one) // as above
		w.has++
	}
	return len(b), nil
}

func (w *wrapper) finish() error {
	if w.has > 0 && w.width > 0 {
		_ = w.w.WriteByte('\n') // as above
	}
	return w.w.Flush()
}

// hexdump shows bytes in hexadecimal: -C with the characters they are.
func hexdump(_ context.Context, c *command.Call) int {
	o, names, err := c.Options("C n: s: v")
	if err != nil {
		return c.Usage(err)
	}
	limit, err := command.ParseSize(o.Value("n", "9223372036854775807"))
	skip, serr := command.ParseSize(o.Value("s", "0"))
	if err = errors.Join(err, serr); err != nil {
		return c.Usage(err)
	}
	out := newOutput(c, names)
	code := c.ForEach(names, func(_ string, r io.Reader) error {
		if _, err := io.CopyN(io.Discard, r, skip); err != nil {
			return hideEOF(err)
		}
		return rows(io.LimitReader(r, limit), func(at int, row []byte) {
			if o.Has("C") {
				left, right := grouped(row[:min(8, len(row))], "%02x %02x "), grouped(row[min(8, len(row)):], "%02x %02x ")
				out.line(fmt.Sprintf("%08x  %-24s %-24s |%s|", at+int(skip), left, right, printable(row)))
				return
			}
			out.line(strings.TrimRight(fmt.Sprintf("%07x %s", at+int(skip), words(row)), " "))
		}, func(at int) {
			form := "%07x"
			if o.Has("C") {
				form = "%08x"
			}
			out.line(fmt.Sprintf(form, at+int(skip)))
		})
	})
	return out.finish(c, code)
}

// rows reads 16 bytes at a time.
func rows(r io.Reader, do func(at int, row []byte), end func(at int)) error {
	row := make([]byte, 16)
	for at := 0; ; {
		n, err := io.ReadFull(r, row)
		if n > 0 {
			do(at, row[:n])
		}
		at += n
		if err != nil {
			if at > 0 {
				end(at)
			}
			if errors.Is(err, io.ErrUnexpectedEOF) {
				err = nil
			}
			return hideEOF(err)
		}
	}
}

func grouped(row []byte, pair string) string {
	var b strings.Builder
	for i := 0; i < len(row); i += 2 {
		if i+1 < len(row) {
			fmt.Fprintf(&b, pair, row[i], row[i+1])
		} else {
			fmt.Fprintf(&b, "%02x ", row[i])
		}
	}
	return b.String()
}

// words shows 16 bits at a time, in the order of the machine.
func words(row []byte) string {
	var b strings.Builder
	for i := 0; i < len(row); i += 2 {
		word := uint(row[i])
		if i+1 < len(row) {
			word |= uint(row[i+1]) << 8
		}
		fmt.Fprintf(&b, "%04x ", word)
	}
	return b.String()
}

func printable(row []byte) string {
	text := make([]byte, len(row))
	for i, b := range row {
		if text[i] = '.'; b >= ' ' && b <= '~' {
			text[i] = b
		}
	}
	return string(text)
}

// od shows bytes: -c as characters, -t x1 in hexadecimal, else 16 bits in octal; -A n without
// addresses.
func od(_ context.Context, c *command.Call) int {
	o, names, err := c.Options("A|address-radix: t|format: c x b d i o s N|read-bytes: j|skip-bytes: v")
	if err != nil {
		return c.Usage(err)
	}
	limit, err := command.ParseSize(o.Value("N", "9223372036854775807"))
	skip, serr := command.ParseSize(o.Value("j", "0"))
	if err = errors.Join(err, serr); err != nil {
		return c.Usage(err)
	}
	kind := o.Value("t", "o2")
	for letter, means := range map[string]string{"c": "c", "x": "x2", "b": "o1", "d": "u2", "i": "d4", "o": "o2", "s": "d2"} {
		if o.Has(letter) {
			kind = means
		}
	}
	show := odForm(kind)
	address, knownAddress := map[string]string{"o": "%07o", "x": "%06x", "d": "%07d", "n": ""}[o.Value("A", "o")]
	if show == nil || !knownAddress {
		return c.Usage(fmt.Errorf("-t %s -A %s: not supported", kind, o.Value("A", "o")))
	}
	place := func(at int) string {
		if address == "" {
			return ""
		}
		return fmt.Sprintf(address, at)
	}
	out := newOutput(c, names)
	code := c.ForEach(names, func(_ string, r io.Reader) error {
		if _, err := io.CopyN(io.Discard, r, skip); err != nil {
			return hideEOF(err)
		}
		return rows(io.LimitReader(r, limit),
			func(at int, row []byte) { out.line(place(at+int(skip)), show(row)) },
			func(at int) {
				if address != "" {
					out.line(place(at + int(skip)))
				}
			})
	})
	return out.finish(c, code)
}

// odForm is a way to show a row: a letter for how (a number's base, or c), and how many bytes make
// one number.
func odForm(kind string) func([]byte) string {
	if kind == "c" {
		return characterRow
	}
	if kind == "" {
		return nil
	}
	size, known := map[string]int{"": 4, "1": 1, "C": 1, "2": 2, "S": 2, "4": 4, "I": 4, "8": 8, "L": 8}[kind[1:]]
	if !known {
		return nil
	}
	bits, signed := size*8, kind[0] == 'd'
	width, base := 0, 10
	switch kind[0] {
	case 'x':
		width, base = size*2, 16
	case 'o':
		width, base = (bits+2)/3, 8
	case 'u':
		width = len(strconv.FormatUint(1<<bits-1, 10))
	case 'd':
		width = len(strconv.FormatInt(-1<<(bits-1), 10))
	default:
		return nil
	}
	return func(row []byte) string {
		var b strings.Builder
		for len(row) > 0 {
			var n uint64
			for i := range min(size, len(row)) {
				n |= uint64(row[i]) << (8 * i)
			}
			row = row[min(size, len(row)):]
			text := strconv.FormatUint(n, base)
			if signed {
				text = strconv.FormatInt(int64(n<<(64-bits))>>(64-bits), 10)
			}
			pad := " "
			if base != 10 {
				pad = "0"
			}
			b.WriteString(" " + strings.Repeat(pad, max(0, width-len(text))) + text)
		}
		return b.String()
	}
}

func characterRow(row []byte) string {
	var b strings.Builder
	for _, one := range row {
		switch i := strings.IndexByte("\x00\a\b\t\n\v\f\r", one); {
		case i >= 0:
			fmt.Fprintf(&b, "  \\%c", "0abtnvfr"[i])
		case one >= ' ' && one <= '~':
			fmt.Fprintf(&b, "   %c", one)
		default:
			fmt.Fprintf(&b, " %03o", one)
		}
	}
	return b.String()
}
