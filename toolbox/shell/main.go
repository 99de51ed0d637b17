// SPDX-License-Identifier: Apache-2.0

package shell

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"

	"github.com/wazelet/wazelet/toolbox/command"
)

// Commands are sh and its other name.
func Commands() map[string]command.Func {
	return map[string]command.Func{"sh": Main, "ash": Main}
}

// Main is sh: `sh -c COMMANDS [NAME [ARG…]]`, `sh FILE [ARG…]`, `sh [-s [ARG…]]`. Without a file it
// reads commands from standard input as they come; with a prompt where that is a terminal, or with
// -i.
func Main(ctx context.Context, c *command.Call) int {
	s := newShell(ctx, c)
	given, rest, err := s.opts.parse(c.Args, "csil")
	if err != nil {
		s.errorf("%v", err)
		return 2
	}
	fromStdin := !strings.Contains(given, "c") && (len(rest) == 0 || strings.Contains(given, "s"))
	s.interactive = fromStdin && command.IsTerminal(c.Stdin) || strings.Contains(given, "i")
	switch {
	case fromStdin:
		s.params = rest
		in := newFront(c.Stdin)
		if s.interactive && c.Interrupts != nil {
			defer c.Interrupts.Handle(in.interrupt)()
		}
		s.readCommands(ctx, in)
	case !strings.Contains(given, "c"):
		return s.script(ctx, rest)
	case len(rest) == 0:
		s.errorf("-c needs an argument")
		return 2
	default:
		if len(rest) > 1 {
			s.name, s.params = rest[1], rest[2:]
		}
		s.commandString(ctx, rest[0])
	}
	return s.finish(ctx)
}

// commandString runs what -c gives; nothing of it where it is not all shell.
func (s *shell) commandString(ctx context.Context, text string) {
	file, err := newParser().Parse(strings.NewReader(text), "")
	if err != nil {
		s.syntaxError("-c", err)
		return
	}
	s.stmts(ctx, file.Stmts)
}

// script runs a file.
func (s *shell) script(ctx context.Context, args []string) int {
	f, err := os.Open(s.path(args[0]))
	if err == nil {
		var info os.FileInfo
		if info, err = f.Stat(); err == nil && info.IsDir() {
			err = errors.New("is a directory")
		}
		defer f.Close()
	}
	if err != nil {
		s.errorf("cannot open %s: %s", args[0], command.Reason(err))
		return command.CodeNotFound
	}
	s.name, s.params = args[0], args[1:]
	s.run(ctx, f, "")
	return s.finish(ctx)
}

// maxCommand bounds one command of standard input.
const maxCommand = 4 << 20

// readCommands runs what comes on standard input, line by line: a command is run as soon as it is
// whole, and what it reads itself is what follows it. An interrupt ends the line that is being typed,
// or the command in front.
func (s *shell) readCommands(ctx context.Context, in *front) {
	var text bytes.Buffer
	for s.flow != flowExit {
		s.prompt(ctx, text.Len() > 0)
		line, err := readWholeLine(s.stdin())
		if in.end() {
			text.Reset()
			s.status = interrupted
			if err != nil { // else a line came whole behind the interrupt
				printTo(s.stderr(), "\n")
				continue
			}
		}
		text.WriteString(line)
		if text.Len() == 0 && err != nil {
			break
		}
		more := err == nil && text.Len() <= maxCommand
		if !more || !continues(line) {
			s.runLines(ctx, in, &text, more)
		}
	}
	if s.interactive && s.flow != flowExit {
		printTo(s.stderr(), "\n")
	}
}

// runLines runs the commands that the lines read so far are, and forgets the lines, but for those that
// begin a command of which more may come.
func (s *shell) runLines(ctx context.Context, in *front, text *bytes.Buffer, more bool) {
	file, err := newParser().Parse(bytes.NewReader(text.Bytes()), "")
	if err != nil && syntax.IsIncomplete(err) && more {
		return
	}
	text.Reset()
	if err != nil {
		s.syntaxError("", err)
		return
	}
	s.stmts(in.begin(ctx), file.Stmts)
	left := s.flow == flowExit && s.status != cancelled // by exit, whatever came behind it
	if in.end() && !left {
		s.status, s.flow = interrupted, flowNone
		printTo(s.stderr(), "\n")
	}
	if s.flow != flowExit {
		s.flow = flowNone // a stray return
	}
}

// continues says whether a line ends in a backslash that stands for itself and the newline.
func continues(line string) bool {
	line, whole := strings.CutSuffix(line, "\n")
	return whole && (len(line)-len(strings.TrimRight(line, `\`)))%2 == 1
}

// readWholeLine reads a line with its newline, and no byte further.
func readWholeLine(r io.Reader) (string, error) {
	var line []byte
	b := make([]byte, 1)
	for {
		n, err := r.Read(b)
		if n > 0 {
			if line = append(line, b[0]); b[0] == '\n' || len(line) > maxCommand {
				return string(line), nil
			}
		}
		if err != nil {
			return string(line), err
		}
	}
}

func (s *shell) prompt(ctx context.Context, more bool) {
	if !s.interactive {
		return
	}
	name, text := "PS1", s.dir+" "+command.PromptSign()+" "
	if more {
		name, text = "PS2", "> "
	}
	if set := s.vars.get(name); set.IsSet() {
		text = set.String()
		if word, err := newParser().Document(strings.NewReader(text)); err == nil {
			if expanded, err := expand.Document(s.config(ctx), word); err == nil {
				text = expanded
			}
		}
	}
	printTo(s.stderr(), "%s", text)
}
