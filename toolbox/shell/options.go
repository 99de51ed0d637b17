// SPDX-License-Identifier: Apache-2.0

package shell

import (
	"fmt"
	"slices"
	"strings"
)

// names of the options, by letter; pipefail has none.
var optionNames = map[string]byte{
	"allexport": 'a', "errexit": 'e', "noglob": 'f', "noclobber": 'C', "noexec": 'n',
	"nounset": 'u', "verbose": 'v', "xtrace": 'x', "pipefail": optPipefail,
}

const optPipefail = 'P'

// ignored options change nothing here: there is no terminal to control, and no history.
const ignored = "bhmi"

// options are the letters that are set.
type options string

func (o options) has(letter byte) bool { return strings.IndexByte(string(o), letter) >= 0 }

func (o options) String() string { return strings.ReplaceAll(string(o), string(rune(optPipefail)), "") }

func (o *options) set(letter byte, on bool) {
	cleared := strings.ReplaceAll(string(*o), string(rune(letter)), "")
	if on {
		letters := []byte(cleared + string(rune(letter)))
		slices.Sort(letters)
		cleared = string(letters)
	}
	*o = options(cleared)
}

// parse takes the options from the front of arguments, as set and sh have them, and returns the
// rest. rest is nil where there was neither an operand nor "--". extra are letters the caller knows:
// they are returned.
func (o *options) parse(args []string, extra string) (given string, rest []string, err error) {
	for len(args) > 0 {
		arg := args[0]
		if arg == "--" || arg == "-" && extra == "" {
			return given, append([]string{}, args[1:]...), nil
		}
		if len(arg) < 2 || arg[0] != '-' && arg[0] != '+' {
			return given, args, nil
		}
		args = args[1:]
		for _, letter := range []byte(arg[1:]) {
			switch {
			case letter == 'o':
				if len(args) == 0 {
					return given, nil, fmt.Errorf("-o: which option?")
				}
				long, known := optionNames[args[0]]
				if !known {
					return given, nil, fmt.Errorf("illegal option -o %s", args[0])
				}
				o.set(long, arg[0] == '-')
				args = args[1:]
			case strings.IndexByte(extra, letter) >= 0:
				given += string(rune(letter))
			case strings.IndexByte("aefCnuvx", letter) >= 0:
				o.set(letter, arg[0] == '-')
			case strings.IndexByte(ignored, letter) < 0:
				return given, nil, fmt.Errorf("illegal option -%c", letter)
			}
		}
	}
	return given, nil, nil
}
