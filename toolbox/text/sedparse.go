// SPDX-License-Identifier: Apache-2.0

package text

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// maxScript bounds a script of sed.
const maxScript = 1 << 16

// sedParser reads a script.
type sedParser struct {
	rest    string
	dialect dialect
	script  []*sedCommand
	blocks  []*sedCommand
	labels  map[string]int
}

// parseSed reads a script; what it has that is not supported is an error by name.
func parseSed(text string, d dialect) ([]*sedCommand, error) {
	if len(text) > maxScript {
		return nil, fmt.Errorf("the script is longer than %d bytes", maxScript)
	}
	p := &sedParser{rest: text, dialect: d, labels: map[string]int{}}
	for {
		p.rest = strings.TrimLeft(p.rest, " \t\n;")
		if p.rest == "" {
			break
		}
		if p.rest[0] == '#' {
			p.word()
			continue
		}
		if err := p.command(); err != nil {
			return nil, err
		}
	}
	if len(p.blocks) > 0 {
		return nil, errors.New("unmatched {")
	}
	for _, cmd := range p.script {
		if strings.IndexByte("btT", cmd.name) < 0 {
			continue
		}
		at, known := p.labels[cmd.label]
		switch {
		case cmd.label == "":
			at = len(p.script)
		case !known:
			return nil, fmt.Errorf("there is no label %s", cmd.label)
		}
		cmd.jump = at - 1 // the script goes on behind it
	}
	return p.script, nil
}

func (p *sedParser) command() error {
	cmd := &sedCommand{nth: 1}
	var err error
	if cmd.first, err = p.address(); err != nil {
		return err
	}
	if cmd.first != nil && strings.HasPrefix(p.rest, ",") {
		p.rest = strings.TrimLeft(p.rest[1:], " ")
		if cmd.second, err = p.address(); err != nil {
			return err
		}
		if cmd.second == nil {
			return errors.New("an address is missing after ,")
		}
	}
	p.rest = strings.TrimLeft(p.rest, " \t")
	for strings.HasPrefix(p.rest, "!") {
		cmd.not = true
		p.rest = strings.TrimLeft(p.rest[1:], " \t")
	}
	if p.rest == "" {
		return errors.New("a command is missing")
	}
	cmd.name, p.rest = p.rest[0], p.rest[1:]
	return p.arguments(cmd)
}

// arguments reads what belongs to a command, and adds it to the script.
func (p *sedParser) arguments(cmd *sedCommand) error {
	var err error
	switch cmd.name {
	case '{':
		p.blocks = append(p.blocks, cmd)
	case '}':
		if len(p.blocks) == 0 {
			return errors.New("unmatched }")
		}
		p.blocks[len(p.blocks)-1].jump = len(p.script) - 1
		p.blocks = p.blocks[:len(p.blocks)-1]
		return nil
	case ':':
		p.rest = strings.TrimLeft(p.rest, " ")
		end := strings.IndexAny(p.rest, "; \t\n}")
		if end < 0 {
			end = len(p.rest)
		}
		p.labels[p.rest[:end]], p.rest = len(p.script), p.rest[end:]
		return nil
	case 'b', 't', 'T':
		cmd.label = p.word()
	case 'r', 'w':
		cmd.file, err = p.fileName()
	case 'a', 'i', 'c':
		cmd.text = p.textArgument()
	case 's':
		err = p.substitution(cmd)
	case 'y':
		err = p.transliteration(cmd)
	case 'q', 'Q':
		if word := p.word(); word != "" {
			cmd.code, err = strconv.Atoi(word)
		}
	case 'p', 'P', 'd', 'D', 'n', 'N', 'l', '=', 'h', 'H', 'g', 'G', 'x':
	default:
		return fmt.Errorf("%c: this command is not supported", cmd.name)
	}
	if err != nil {
		return err
	}
	p.script = append(p.script, cmd)
	if strings.IndexByte("{s", cmd.name) < 0 {
		return p.end()
	}
	return nil
}

// end checks that nothing but another command follows.
func (p *sedParser) end() error {
	p.rest = strings.TrimLeft(p.rest, " \t")
	if p.rest != "" && strings.IndexByte(";\n}#", p.rest[0]) < 0 {
		return fmt.Errorf("%.10q: not expected after a command", p.rest)
	}
	return nil
}

// fileName reads the rest of a line.
func (p *sedParser) fileName() (string, error) {
	name, rest, _ := strings.Cut(strings.TrimLeft(p.rest, " \t"), "\n")
	if p.rest = rest; name == "" {
		return "", errors.New("a file's name is missing")
	}
	return name, nil
}

// word reads up to the end of the command.
func (p *sedParser) word() string {
	end := strings.IndexAny(p.rest, ";\n}")
	if end < 0 {
		end = len(p.rest)
	}
	if strings.HasPrefix(p.rest, "#") {
		if end = strings.IndexByte(p.rest, '\n'); end < 0 {
			end = len(p.rest)
		}
	}
	word := strings.TrimSpace(p.rest[:end])
	p.rest = p.rest[end:]
	return word
}

// textArgument reads the text of a, i and c: the rest of the line, or the lines after a backslash.
func (p *sedParser) textArgument() string {
	p.rest = strings.TrimLeft(p.rest, " \t")
	if rest, ok := strings.CutPrefix(p.rest, "\\\n"); ok {
		p.rest = rest
	} else if rest, ok := strings.CutPrefix(p.rest, "\\"); ok {
		p.rest = rest
	}
	var b strings.Builder
	for p.rest != "" {
		c := p.rest[0]
		if c == '\n' {
			break
		}
		if c == '\\' && len(p.rest) > 1 {
			p.rest = p.rest[1:]
			c = p.rest[0]
		}
		b.WriteByte(c)
		p.rest = p.rest[1:]
	}
	return b.String()
}

func (p *sedParser) address() (*sedAddress, error) {
	switch {
	case p.rest == "":
		return nil, nil
	case p.rest[0] == '$':
		p.rest = p.rest[1:]
		return &sedAddress{last: true}, nil
	case p.rest[0] == '/' || p.rest[0] == '\\' && len(p.rest) > 1:
		if p.rest[0] == '\\' {
			p.rest = p.rest[1:]
		}
		expr, err := p.delimited(p.rest[0], 1)
		if err != nil {
			return nil, err
		}
		flags := ""
		for p.rest != "" && (p.rest[0] == 'I' || p.rest[0] == 'M') {
			flags, p.rest = flags+"(?"+strings.ToLower(p.rest[:1])+")", p.rest[1:]
		}
		re, err := p.compile(expr, flags)
		return &sedAddress{re: re}, err
	case p.rest[0] == '+' || p.rest[0] == '~' || p.rest[0] >= '0' && p.rest[0] <= '9':
		return p.numberAddress()
	}
	return nil, nil
}

func (p *sedParser) numberAddress() (*sedAddress, error) {
	a := &sedAddress{}
	if strings.HasPrefix(p.rest, "+") {
		a.plus, p.rest = true, p.rest[1:]
	} else if strings.HasPrefix(p.rest, "~") {
		a.multiple, p.rest = true, p.rest[1:]
	}
	var err error
	if a.number, err = p.number(); err == nil && strings.HasPrefix(p.rest, "~") {
		p.rest = p.rest[1:]
		a.step, err = p.number()
	}
	return a, err
}

func (p *sedParser) number() (int, error) {
	end := 0
	for end < len(p.rest) && p.rest[end] >= '0' && p.rest[end] <= '9' {
		end++
	}
	n, err := strconv.Atoi(p.rest[:end])
	if err != nil {
		return 0, errors.New("a number is missing")
	}
	p.rest = p.rest[end:]
	return n, nil
}

// delimited reads up to the delimiter, skip bytes on. An escaped delimiter is itself.
func (p *sedParser) delimited(delimiter byte, skip int) (string, error) {
	if delimiter == '\n' || delimiter == '\\' {
		return "", errors.New("a newline or a backslash cannot delimit")
	}
	var b strings.Builder
	for i := skip; i < len(p.rest); i++ {
		c := p.rest[i]
		if c == delimiter {
			p.rest = p.rest[i+1:]
			return b.String(), nil
		}
		if c == '[' && skip > 0 { // a delimiter in brackets is itself
			if end := bracketEnd(p.rest, i); end > 0 && !strings.Contains(p.rest[i:end], "\n") {
				b.WriteString(p.rest[i:end])
				i = end - 1
				continue
			}
		}
		if c == '\\' && i+1 < len(p.rest) {
			if i++; p.rest[i] != delimiter {
				b.WriteByte('\\')
			}
			c = p.rest[i]
		}
		b.WriteByte(c)
	}
	return "", fmt.Errorf("%c is missing at the end of an expression", delimiter)
}

// compile compiles an expression; the empty one is the last that was used.
func (p *sedParser) compile(expr, flags string) (*sedRegexp, error) {
	if expr == "" {
		return &sedRegexp{}, nil
	}
	re, err := compile(expr, p.dialect, flags)
	return &sedRegexp{re}, err
}

func (p *sedParser) substitution(cmd *sedCommand) error {
	if p.rest == "" {
		return errors.New("s: what is to be replaced?")
	}
	delimiter := p.rest[0]
	expr, err := p.delimited(delimiter, 1)
	if err != nil {
		return err
	}
	with, err := p.delimited(delimiter, 0)
	if err != nil {
		return err
	}
	flags, err := p.flags(cmd)
	if err != nil {
		return err
	}
	if cmd.re, err = p.compile(expr, flags); err != nil {
		return err
	}
	groups := 9
	if cmd.re.Regexp != nil {
		groups = cmd.re.NumSubexp()
	}
	if cmd.replacement, err = parseReplacement(with, groups); err != nil || cmd.file != "" {
		return err
	}
	return p.end()
}

// flags reads what follows s/…/…/, and returns the flags of the expression.
func (p *sedParser) flags(cmd *sedCommand) (flags string, err error) {
	for ; p.rest != ""; p.rest = p.rest[1:] {
		switch c := p.rest[0]; {
		case c == 'g':
			cmd.global = true
		case c == 'p':
			cmd.print = true
		case c == 'i' || c == 'I':
			flags += "(?i)"
		case c == 'm' || c == 'M':
			flags += "(?m)"
		case c == 'w':
			p.rest = p.rest[1:]
			cmd.file, err = p.fileName()
			return flags, err
		case c >= '1' && c <= '9':
			if cmd.nth, err = p.number(); err != nil {
				return "", err
			}
			p.rest = "." + p.rest // which the loop takes away
		default:
			return flags, nil
		}
	}
	return flags, nil
}

func parseReplacement(text string, groups int) (replacement, error) {
	var all replacement
	var plain strings.Builder
	flush := func() {
		if plain.Len() > 0 {
			all = append(all, piece{text: plain.String(), group: -1})
			plain.Reset()
		}
	}
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '&':
			flush()
			all = append(all, piece{group: 0})
		case c != '\\' || i+1 == len(text):
			plain.WriteByte(c)
		default:
			i++
			switch c := text[i]; {
			case c >= '0' && c <= '9':
				if int(c-'0') > groups {
					return nil, fmt.Errorf("there is no group \\%c", c)
				}
				flush()
				all = append(all, piece{group: int(c - '0')})
			case strings.IndexByte("ULEul", c) >= 0:
				flush()
				all = append(all, piece{cased: c})
			case c == 'n':
				plain.WriteByte('\n')
			case c == 't':
				plain.WriteByte('\t')
			default:
				plain.WriteByte(c)
			}
		}
	}
	flush()
	return all, nil
}

func (p *sedParser) transliteration(cmd *sedCommand) error {
	if p.rest == "" {
		return errors.New("y: which characters?")
	}
	delimiter := p.rest[0]
	p.rest = p.rest[1:]
	from, err := p.delimited(delimiter, 0)
	if err != nil {
		return err
	}
	to, err := p.delimited(delimiter, 0)
	if err != nil {
		return err
	}
	plain := strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\t`, "\t", `\r`, "\r")
	a, b := []rune(plain.Replace(from)), []rune(plain.Replace(to))
	if len(a) != len(b) {
		return errors.New("y: both sides must be of one length")
	}
	cmd.table = map[rune]rune{}
	for i := range a {
		cmd.table[a[i]] = b[i]
	}
	return nil
}
