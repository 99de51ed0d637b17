// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// operand is a name, and the directory in force where it stood among the arguments: each -C changes
// it for what follows.
type operand struct{ name, dir string }

// options are what tar was called with.
type options struct {
	mode     byte   // 'c', 'x' or 't'
	file     string // "-": standard input or output
	dir      string // the directory in force at the end
	operands []operand
	listed   []operand // files that list names
	exclude  []string
	strip    int
	verbose  int

	gzip, stdout, absolute, follow, flat bool
	noTimes, overwrite                   bool
	// keep: 'k' reports what exists already, 's' passes it over.
	keep byte
}

// maxStrip bounds --strip-components.
const maxStrip = 4096

// tarLong leads long options to short ones. The upper half takes a value.
func tarLong(name string) (letter byte, known bool) {
	switch name {
	case "file", "directory", "exclude", "exclude-from", "files-from", "strip-components":
		return map[string]byte{
			"file": 'f', "directory": 'C', "exclude": 1, "exclude-from": 'X', "files-from": 'T', "strip-components": 2,
		}[name], true
	}
	letter, known = map[string]byte{
		"create": 'c', "extract": 'x', "get": 'x', "list": 't', "gzip": 'z', "gunzip": 'z', "ungzip": 'z',
		"verbose": 'v', "touch": 'm', "preserve-permissions": 'p', "same-permissions": 'p', "dereference": 'h',
		"absolute-names": 'P', "to-stdout": 'O', "keep-old-files": 'k', "skip-old-files": 3, "overwrite": 4,
		"no-recursion": 5, "no-same-owner": 'o', "no-same-permissions": 'o', "same-owner": 'p',
		"numeric-owner": 'o', "no-overwrite-dir": 'o', "sparse": 'S', "one-file-system": 'S', "auto-compress": 'a',
		"bzip2": 'j', "xz": 'J', "zstd": 'J', "append": 'r', "update": 'u', "hard-dereference": 'o',
	}[name]
	return letter, known
}

// takesValue says which options have one.
func takesValue(letter byte) bool { return strings.IndexByte("fCXTb\x01\x02", letter) >= 0 }

// parseTar reads the arguments. The first may be letters without a dash, whose values follow as
// arguments of their own, in the order of the letters.
func parseTar(args []string) (*options, error) {
	o := &options{file: "-"}
	if len(args) > 0 && args[0] != "" && args[0][0] != '-' {
		letters := args[0]
		args = args[1:]
		for i := range len(letters) {
			value := ""
			if takesValue(letters[i]) {
				if len(args) == 0 {
					return nil, fmt.Errorf("option requires an argument -- '%c'", letters[i])
				}
				value, args = args[0], args[1:]
			}
			if err := o.set(letters[i], value); err != nil {
				return nil, err
			}
		}
	}
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		var err error
		switch {
		case arg == "--":
			for _, name := range args {
				o.operands = append(o.operands, operand{name, o.dir})
			}
			args = nil
		case strings.HasPrefix(arg, "--"):
			args, err = o.long(arg[2:], args)
		case len(arg) > 1 && arg[0] == '-':
			args, err = o.short(arg[1:], args)
		default:
			o.operands = append(o.operands, operand{arg, o.dir})
		}
		if err != nil {
			return nil, err
		}
	}
	if o.mode == 0 {
		return nil, errors.New("one of c (create), x (extract) and t (list) is needed")
	}
	return o, nil
}

func (o *options) long(word string, args []string) ([]string, error) {
	name, value, has := strings.Cut(word, "=")
	letter, known := tarLong(name)
	switch {
	case !known && name != "warning" && name != "checkpoint":
		return nil, fmt.Errorf("unrecognized option '--%s'", name)
	case !known: // about messages that are not written here
		return args, nil
	case takesValue(letter) && !has:
		if len(args) == 0 {
			return nil, fmt.Errorf("option '--%s' requires an argument", name)
		}
		value, args = args[0], args[1:]
	case has && !takesValue(letter):
		return nil, fmt.Errorf("option '--%s' doesn't allow an argument", name)
	}
	return args, o.set(letter, value)
}

func (o *options) short(letters string, args []string) ([]string, error) {
	for i := range len(letters) {
		value := ""
		if takesValue(letters[i]) {
			if value = letters[i+1:]; value == "" {
				if len(args) == 0 {
					return nil, fmt.Errorf("option requires an argument -- '%c'", letters[i])
				}
				value, args = args[0], args[1:]
			}
			return args, o.set(letters[i], value)
		}
		if err := o.set(letters[i], ""); err != nil {
			return nil, err
		}
	}
	return args, nil
}

// set takes one option.
func (o *options) set(letter byte, value string) error {
	switch letter {
	case 'c', 'x', 't':
		if o.mode != 0 && o.mode != letter {
			return errors.New("only one of c, x and t can be had")
		}
		o.mode = letter
	case 'f':
		o.file = value
	case 'C':
		if value == "" {
			return errors.New("-C: which directory?")
		}
		o.dir = joinDir(o.dir, value)
	case 'T':
		o.listed = append(o.listed, operand{value, o.dir})
	case 1, 'X':
		return o.excluded(letter, value)
	case 2:
		n, err := strconv.Atoi(value)
		if err != nil || n < 0 || n > maxStrip {
			return fmt.Errorf("--strip-components=%s: a number is needed", value)
		}
		o.strip = n
	default:
		return o.flag(letter)
	}
	return nil
}

// excluded takes a pattern of --exclude.
func (o *options) excluded(letter byte, value string) error {
	if letter == 'X' {
		return errors.New("-X is not supported; use --exclude")
	}
	if err := checkPattern(value); err != nil {
		return err
	}
	o.exclude = append(o.exclude, value)
	return nil
}

// flag takes an option without a value.
func (o *options) flag(letter byte) error {
	switch letter {
	case 'k':
		o.keep = 'k'
	case 3:
		o.keep = 's'
	case 'v':
		o.verbose++
	case 'j', 'J':
		return errors.New("of the ways to compress, only gzip (-z) is there")
	case 'r', 'u', 'A', 'd':
		return errors.New("an archive can be created, extracted and listed, and not be changed or compared")
	case 'p', 'o', 'S', 'b', 'B', 'a':
		// Owners and permissions WASI has no call for; the others are about how, not what.
	default:
		return o.on(letter)
	}
	return nil
}

// on sets a flag.
func (o *options) on(letter byte) error {
	flag := map[byte]*bool{
		'z': &o.gzip, 'm': &o.noTimes, 'h': &o.follow, 'P': &o.absolute, 'O': &o.stdout,
		4: &o.overwrite, 5: &o.flat,
	}[letter]
	if flag == nil {
		return fmt.Errorf("invalid option -- '%c'", letter)
	}
	*flag = true
	return nil
}

func joinDir(dir, next string) string {
	if dir == "" || next[0] == '/' {
		return next
	}
	return strings.TrimSuffix(dir, "/") + "/" + next
}
