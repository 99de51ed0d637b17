// SPDX-License-Identifier: Apache-2.0

package text

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/wazelet/wazelet/toolbox/command"
)

// tr translates, deletes or squeezes characters.
func tr(_ context.Context, c *command.Call) int {
	o, sets, err := c.Options("+ d|delete s|squeeze-repeats c|complement C t|truncate-set1")
	if err == nil && (len(sets) == 0 || len(sets) > 2 || len(sets) == 1 && !o.Has("d") && !o.Has("s")) {
		err = errors.New("which characters, to which?")
	}
	if err != nil {
		return c.Usage(err)
	}
	m, err := newTranslation(o, sets)
	if err != nil {
		return c.Usage(err)
	}
	return m.run(c)
}

// run translates standard input.
func (m *translation) run(c *command.Call) int {
	out := newOutput(c, nil)
	out.eager = false
	buf, last := make([]byte, 32<<10), -1
	for {
		n, err := c.Stdin.Read(buf)
		for _, b := range buf[:n] {
			if m.deleted[b] {
				continue
			}
			b = m.to[b]
			if m.squeezed[b] && int(b) == last {
				continue
			}
			last = int(b)
			_ = out.WriteByte(b) // the writer keeps the error for Flush
		}
		if ferr := out.Flush(); ferr != nil {
			return c.Problem("write", ferr)
		}
		if err != nil {
			if err = hideEOF(err); err != nil {
				return c.Problem("-", err)
			}
			return 0
		}
	}
}

// translation is what tr does to each byte.
type translation struct {
	to                [256]byte
	deleted, squeezed [256]bool
}

func newTranslation(o command.Options, sets []string) (*translation, error) {
	m := &translation{}
	for i := range m.to {
		m.to[i] = byte(i)
	}
	from, err := characters(sets[0], 0)
	if err != nil {
		return nil, err
	}
	if o.Has("c") || o.Has("C") {
		var rest []byte
		for b := range 256 {
			if !slices.Contains(from, byte(b)) {
				rest = append(rest, byte(b))
			}
		}
		from = rest
	}
	var second []byte
	if len(sets) > 1 {
		if second, err = characters(sets[1], len(from)); err != nil {
			return nil, err
		}
		if o.Has("t") && len(from) > len(second) {
			from = from[:len(second)]
		}
	}
	for i, b := range from {
		switch {
		case o.Has("d"):
			m.deleted[b] = true
		case len(second) > 0:
			m.to[b] = second[min(i, len(second)-1)]
		}
	}
	if o.Has("s") {
		for _, b := range append(second, from[:len(from)*boolCode(len(second) > 0)]...) {
			m.squeezed[b] = true
		}
	}
	return m, nil
}

// class is a character class of tr, as a list of ranges; empty: there is none of the name.
func class(name string) string {
	return map[string]string{
		"alpha": "A-Za-z", "digit": "0-9", "alnum": "0-9A-Za-z", "upper": "A-Z", "lower": "a-z",
		"space": "\t-\r ", "blank": "\t ", "punct": "!-/:-@[-`{-~", "xdigit": "0-9A-Fa-f",
		"cntrl": "\x00-\x1f\x7f", "print": " -~", "graph": "!-~",
	}[name]
}

// maxSet bounds what a set may stand for.
const maxSet = 1 << 16

// characters expands a set: ranges, classes, repetitions and escapes. A repetition without a number
// makes the set as long as the other one is.
func characters(set string, length int) (all []byte, err error) {
	for set != "" && len(all) <= maxSet {
		if set[0] == '[' {
			some, rest, err := bracketed(set, length-len(all))
			if err != nil {
				return nil, err
			}
			if rest != set {
				all, set = append(all, some...), rest
				continue
			}
		}
		b, n := character(set)
		set = set[n:]
		if len(set) < 2 || set[0] != '-' {
			all = append(all, b)
			continue
		}
		last, n := character(set[1:])
		set = set[1+n:]
		if last < b {
			return nil, fmt.Errorf("the range %q-%q is the wrong way round", rune(b), rune(last))
		}
		for x := int(b); x <= int(last); x++ {
			all = append(all, byte(x))
		}
	}
	if len(all) > maxSet {
		return nil, errors.New("a set stands for too many characters")
	}
	return all, nil
}

// bracketed expands [:CLASS:], [=C=] and [C*N]; it takes nothing where the bracket is itself.
func bracketed(set string, missing int) (some []byte, rest string, err error) {
	if after, ok := strings.CutPrefix(set, "[:"); ok {
		if name, rest, ok := strings.Cut(after, ":]"); ok {
			if class(name) == "" {
				return nil, "", fmt.Errorf("invalid character class '%s'", name)
			}
			some, err = characters(class(name), 0)
			return some, rest, err
		}
	}
	if len(set) >= 5 && strings.HasPrefix(set, "[=") && set[3:5] == "=]" {
		return []byte{set[2]}, set[5:], nil
	}
	if len(set) < 2 {
		return nil, set, nil
	}
	b, n := character(set[1:])
	after, ok := strings.CutPrefix(set[1+n:], "*")
	number, rest, closed := strings.Cut(after, "]")
	if !ok || !closed {
		return nil, set, nil
	}
	count := max(missing, 0)
	if number != "" && number != "0" {
		base := 10
		if number[0] == '0' {
			base = 8
		}
		n, err := strconv.ParseUint(number, base, 32)
		if err != nil || n > maxSet {
			return nil, "", fmt.Errorf("invalid repeat count '%s' in [c*n]", number)
		}
		count = int(n)
	}
	return slices.Repeat([]byte{b}, count), rest, nil
}

// character is the first of a set, and how long it is there.
func character(set string) (b byte, n int) {
	if set[0] != '\\' || len(set) == 1 {
		return set[0], 1
	}
	n = 2
	if set[1] >= '0' && set[1] <= '7' {
		for n < 4 && n < len(set) && set[n] >= '0' && set[n] <= '7' {
			n++
		}
	}
	text, _ := unescape(set[:n], false)
	return text[len(text)-1], n
}
