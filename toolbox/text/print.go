// SPDX-License-Identifier: Apache-2.0

package text

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/wazelet/wazelet/toolbox/command"
)

// echo writes its arguments: -n without a newline, -e with escapes.
func echo(_ context.Context, c *command.Call) int {
	args, newline, escapes := c.Args, true, false
	for len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' && strings.Trim(args[0][1:], "neE") == "" {
		for _, letter := range args[0][1:] {
			switch letter {
			case 'n':
				newline = false
			case 'e':
				escapes = true
			case 'E':
				escapes = false
			}
		}
		args = args[1:]
	}
	line := strings.Join(args, " ")
	if escapes {
		var stop bool
		if line, stop = unescape(line, true); stop {
			newline = false
		}
	}
	if newline {
		line += "\n"
	}
	return c.Write(line)
}

// unescape replaces backslash escapes; stop: there was a \c, which ends all output. Octal numbers
// are \0NNN for echo and %b, and \NNN for a format.
func unescape(s string, zero bool) (text string, stop bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch c := s[i]; {
		case c == 'c' && zero:
			return b.String(), true
		case c == '0' && zero:
			i += number(&b, s[i+1:], 8, 3)
		case c >= '0' && c <= '7':
			i += number(&b, s[i:], 8, 3) - 1
		case c == 'x':
			i += number(&b, s[i+1:], 16, 2)
		case c == 'u' || c == 'U':
			i += character16(&b, s[i:])
		default:
			if k := strings.IndexByte(`abefnrtv\"'`, c); k >= 0 {
				b.WriteByte("\a\b\x1b\f\n\r\t\v\\\"'"[k])
			} else {
				b.WriteByte('\\')
				b.WriteByte(c)
			}
		}
	}
	return b.String(), false
}

// character16 writes the character that \uXXXX or \UXXXXXXXX stands for, and returns how many digits
// there were.
func character16(b *strings.Builder, s string) int {
	n, limit := 1, map[byte]int{'u': 4, 'U': 8}[s[0]]
	for n <= limit && n < len(s) && strings.IndexByte("0123456789abcdefABCDEF", s[n]) >= 0 {
		n++
	}
	value, err := strconv.ParseUint(s[1:n], 16, 31)
	if err != nil {
		b.WriteString("\\" + s[:n])
		return n - 1
	}
	b.WriteRune(rune(value))
	return n - 1
}

// number writes the byte that at most limit digits stand for, and returns how many there were.
func number(b *strings.Builder, s string, base, limit int) int {
	n := 0
	for n < limit && n < len(s) {
		if _, err := strconv.ParseUint(s[n:n+1], base, 8); err != nil {
			break
		}
		n++
	}
	value, _ := strconv.ParseUint(s[:n], base, 16) // no digit is 0
	b.WriteByte(byte(value))
	return n
}

// maxField bounds the width and the precision of printf: what a number in a format can cost.
const maxField = 1 << 16

// printf formats its arguments; the format is used again while there are any left.
func printf(_ context.Context, c *command.Call) int {
	args := c.Args
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		return c.Usage(errors.New("which format?"))
	}
	f := formatter{args: args[1:]}
	for {
		before := len(f.args)
		if err := f.format(args[0]); err != nil {
			f.fail(err)
			break
		}
		if f.stop || len(f.args) == 0 || len(f.args) == before {
			break
		}
	}
	code := c.Write(f.out.String())
	if f.err != nil {
		code = c.Errorf("%v", f.err)
	}
	return code
}

type formatter struct {
	args []string
	out  strings.Builder
	stop bool
	err  error // the first
}

func (f *formatter) fail(err error) {
	if f.err == nil {
		f.err = err
	}
}

func (f *formatter) next() string {
	if len(f.args) == 0 {
		return ""
	}
	arg := f.args[0]
	f.args = f.args[1:]
	return arg
}

// format goes through the format once.
func (f *formatter) format(format string) error {
	for format != "" && !f.stop {
		i := strings.IndexByte(format, '%')
		if i < 0 {
			i = len(format)
		}
		plain, _ := unescape(format[:i], false)
		f.out.WriteString(plain)
		if format = format[i:]; format == "" {
			break
		}
		rest, err := f.directive(format)
		if err != nil {
			return err
		}
		format = rest
	}
	return nil
}

// directive handles what begins with %, and returns what follows it.
func (f *formatter) directive(format string) (string, error) {
	if strings.HasPrefix(format, "%%") {
		f.out.WriteByte('%')
		return format[2:], nil
	}
	i := 1
	for i < len(format) && strings.IndexByte("-+ #0", format[i]) >= 0 {
		i++
	}
	flags := format[1:i]
	width, i, err := f.size(format, i)
	if err != nil {
		return "", err
	}
	precision := ""
	if i < len(format) && format[i] == '.' {
		if precision, i, err = f.size(format, i+1); err != nil {
			return "", err
		}
		precision = "." + precision
	}
	if strings.HasPrefix(width, "-") {
		flags, width = flags+"-", width[1:]
	}
	for i < len(format) && strings.IndexByte("hlLjzt", format[i]) >= 0 {
		i++ // the size of a number, which C wants
	}
	if i == len(format) {
		return "", fmt.Errorf("%s: invalid format", format)
	}
	if err := f.convert("%"+flags+width+precision, format[i]); err != nil {
		return "", err
	}
	return format[i+1:], nil
}

// size reads a width or a precision: digits, or * for an argument.
func (f *formatter) size(format string, i int) (string, int, error) {
	begin := i
	for i < len(format) && format[i] >= '0' && format[i] <= '9' {
		i++
	}
	text := format[begin:i]
	if i < len(format) && format[i] == '*' && text == "" {
		text, i = f.next(), i+1
	}
	if text == "" {
		return "", i, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n > maxField || n < -maxField {
		return "", i, fmt.Errorf("%s: a field is at most %d wide", text, maxField)
	}
	return strconv.Itoa(n), i, nil
}

func (f *formatter) convert(spec string, verb byte) error {
	if strings.IndexByte("sbc", verb) >= 0 { // zeros are for numbers
		flags := strings.TrimLeft(spec[1:], "0-+ #")
		spec = "%" + strings.ReplaceAll(spec[1:len(spec)-len(flags)], "0", "") + flags
	}
	switch verb {
	case 's':
		fmt.Fprintf(&f.out, spec+"s", f.next())
	case 'b':
		text, stop := unescape(f.next(), true)
		f.stop = stop
		fmt.Fprintf(&f.out, spec+"s", text)
	case 'c':
		arg := f.next()
		fmt.Fprintf(&f.out, spec+"s", arg[:min(1, len(arg))])
	case 'd', 'i':
		fmt.Fprintf(&f.out, spec+"d", f.integer())
	case 'u':
		fmt.Fprintf(&f.out, spec+"d", uint64(f.integer()))
	case 'o', 'x', 'X':
		fmt.Fprintf(&f.out, spec+string(verb), uint64(f.integer()))
	case 'e', 'E', 'f', 'F', 'g', 'G':
		arg := f.next()
		n, err := strconv.ParseFloat(arg, 64)
		if err != nil && arg != "" {
			f.fail(fmt.Errorf("%s: invalid number", arg))
		}
		fmt.Fprintf(&f.out, spec+string(verb), n)
	case 'q':
		fmt.Fprintf(&f.out, "'%s'", strings.ReplaceAll(f.next(), "'", `'\''`))
	default:
		return fmt.Errorf("%%%c: invalid directive", verb)
	}
	return nil
}

func (f *formatter) integer() int64 {
	arg := f.next()
	if arg == "" {
		return 0
	}
	if arg[0] == '"' || arg[0] == '\'' {
		r, _ := utf8.DecodeRuneInString(arg[1:])
		return int64(r)
	}
	n, err := strconv.ParseInt(strings.TrimPrefix(arg, "+"), 0, 64)
	if err == nil {
		return n
	}
	f.fail(fmt.Errorf("%s: invalid number", arg))
	digits := strings.TrimLeft(arg, "+-")
	n, _ = strconv.ParseInt(arg[:len(arg)-len(strings.TrimLeft(digits, "0123456789"))], 10, 64) // as far as it is one
	return n
}
