// SPDX-License-Identifier: Apache-2.0

package text

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/wazelet/wazelet/toolbox/command"
)

// sequence is what seq is to write.
type sequence struct {
	first, step, last float64
	separator, format string
	decimals, pad     int
}

// seq writes the numbers from FIRST (1) to LAST by steps of INCREMENT (1).
func seq(ctx context.Context, c *command.Call) int {
	s, err := parseSequence(c.Args)
	if err != nil {
		return c.Usage(err)
	}
	out, wrote := newOutput(c, []string{""}), false
	for i := 0.0; ctx.Err() == nil; i++ {
		n := s.first + i*s.step
		if s.step > 0 && n > s.last+s.step*1e-9 || s.step < 0 && n < s.last+s.step*1e-9 {
			break
		}
		if wrote {
			_, _ = out.WriteString(s.separator) // the writer keeps the error for Flush
		}
		text, err := s.text(n)
		if err != nil {
			return c.Usage(err)
		}
		if _, err := out.WriteString(text); err != nil {
			break
		}
		wrote = true
	}
	if wrote {
		out.line()
	}
	return out.finish(c, 0)
}

// text is a number as it is written.
func (s *sequence) text(n float64) (string, error) {
	if s.format == "" {
		return fmt.Sprintf("%0*.*f", s.pad, s.decimals, n), nil
	}
	f := formatter{args: []string{strconv.FormatFloat(n, 'f', -1, 64)}}
	err := f.format(s.format)
	return f.out.String(), errors.Join(err, f.err)
}

// options takes the options out of the arguments: a negative number is none.
func (s *sequence) options(args []string) (rest []string, width bool, err error) {
	value := func() string {
		if len(args[0]) > 2 {
			return args[0][2:]
		}
		if len(args) == 1 {
			err = fmt.Errorf("option requires an argument -- '%c'", args[0][1])
			return ""
		}
		args = args[1:]
		return args[0]
	}
	for len(args) > 0 && err == nil {
		switch arg := args[0]; {
		case arg == "--":
			return args[1:], width, nil
		case arg == "-w" || arg == "--equal-width":
			width = true
		case strings.HasPrefix(arg, "-s"):
			s.separator = value()
		case strings.HasPrefix(arg, "-f"):
			s.format = value()
			if !strings.Contains(strings.ReplaceAll(s.format, "%%", ""), "%") {
				err = fmt.Errorf("format '%s' has no %% directive", s.format)
			}
		default:
			return args, width, nil
		}
		args = args[1:]
	}
	return args, width, err
}

func parseSequence(args []string) (*sequence, error) {
	s := &sequence{first: 1, step: 1, separator: "\n"}
	args, width, err := s.options(args)
	if err == nil && (len(args) < 1 || len(args) > 3) {
		err = errors.New("give LAST, FIRST LAST, or FIRST INCREMENT LAST")
	}
	if err != nil {
		return nil, err
	}
	into := [][]*float64{{&s.last}, {&s.first, &s.last}, {&s.first, &s.step, &s.last}}[len(args)-1]
	for i, arg := range args {
		n, err := strconv.ParseFloat(arg, 64)
		if err != nil || n != n {
			return nil, fmt.Errorf("%s: a number is needed", arg)
		}
		*into[i] = n
		if _, fraction, ok := strings.Cut(arg, "."); ok && into[i] != &s.last {
			s.decimals = max(s.decimals, min(len(fraction), maxDecimals))
		}
	}
	if s.step == 0 {
		return nil, errors.New("the increment must not be 0")
	}
	if width {
		for _, n := range []float64{s.first, s.last} {
			s.pad = max(s.pad, len(strconv.FormatFloat(n, 'f', s.decimals, 64)))
		}
	}
	return s, nil
}

// maxDecimals bounds how many digits of a fraction are written.
const maxDecimals = 100
