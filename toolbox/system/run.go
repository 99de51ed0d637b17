// SPDX-License-Identifier: Apache-2.0

package system

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/wazelet/wazelet/toolbox/command"
	"github.com/wazelet/wazelet/toolbox/dates"
)

// env shows the variables, or runs a command with others.
func env(ctx context.Context, c *command.Call) int {
	o, args, err := c.Options("+ i|ignore-environment u|unset: 0 C|chdir:")
	if err != nil {
		return c.Usage(err)
	}
	call := *c
	if o.Has("i") || len(args) > 0 && args[0] == "-" {
		call.Env = nil
	}
	if len(args) > 0 && args[0] == "-" {
		args = args[1:]
	}
	for _, name := range o["u"] {
		call.Env = without(call.Env, name)
	}
	for len(args) > 0 {
		name, _, assigned := strings.Cut(args[0], "=")
		if !assigned || name == "" {
			break
		}
		call.Env = append(without(call.Env, name), args[0])
		args = args[1:]
	}
	if dir := o.Value("C", ""); dir != "" {
		call.Dir = c.Path(dir)
	}
	if len(args) > 0 {
		return c.Table.Run(ctx, &call, args)
	}
	end := "\n"
	if o.Has("0") {
		end = "\x00"
	}
	for _, pair := range call.Env {
		c.Printf("%s%s", pair, end)
	}
	return 0
}

func without(env []string, name string) (rest []string) {
	for _, pair := range env {
		if !strings.HasPrefix(pair, name+"=") {
			rest = append(rest, pair)
		}
	}
	return rest
}

func printenv(_ context.Context, c *command.Call) int {
	if len(c.Args) == 0 {
		return c.Write(strings.Join(append(c.Env, ""), "\n"))
	}
	code := 0
	for _, name := range c.Args {
		value, set := command.Lookup(c.Env, name)
		if !set {
			code = 1
			continue
		}
		c.Printf("%s\n", value)
	}
	return code
}

// which says where commands are found: those of the toolbox that have no file by their name alone.
func which(_ context.Context, c *command.Call) int {
	_, names, err := c.Options("a")
	if err != nil {
		return c.Usage(err)
	}
	code := 0
	for _, name := range names {
		file, err := c.Table.Path(c, name)
		if err != nil {
			code = 1
			continue
		}
		if file == "" {
			file = name
		}
		c.Printf("%s\n", file)
	}
	return code
}

// sleep waits for the sum of its arguments.
func sleep(ctx context.Context, c *command.Call) int {
	if len(c.Args) == 0 {
		return c.Usage(errors.New("how long?"))
	}
	var total time.Duration
	for _, arg := range c.Args {
		d, err := command.ParseDuration(arg)
		if err != nil {
			return c.Usage(err)
		}
		if total += d; total < 0 {
			total = 1<<63 - 1
		}
	}
	if !command.Sleep(ctx, total) {
		return 143
	}
	return 0
}

// date tells the time: now, that of -d, or that of a file (-r).
func date(_ context.Context, c *command.Call) int {
	o, args, err := c.Options("u|utc d|date: r|reference: I R s: iso-8601")
	if err == nil && (o.Has("s") || len(args) > 1 || len(args) == 1 && !strings.HasPrefix(args[0], "+")) {
		err = errors.New("the clock cannot be set here; a format begins with +")
	}
	if err != nil {
		return c.Usage(err)
	}
	when, err := whenOf(c, o)
	if err != nil {
		return c.Usage(err)
	}
	format := "%a %b %e %H:%M:%S %Z %Y"
	switch {
	case len(args) == 1:
		format = args[0][1:]
	case o.Has("I") || o.Has("iso-8601"):
		format = "%Y-%m-%d"
	case o.Has("R"):
		format = "%a, %d %b %Y %H:%M:%S %z"
	}
	text, err := dates.Format(format, when)
	if err != nil {
		return c.Usage(err)
	}
	return c.Write(text + "\n")
}

// whenOf is the time that date tells.
func whenOf(c *command.Call, o command.Options) (when time.Time, err error) {
	if when = time.Now(); o.Has("u") {
		when = when.UTC()
	}
	if text := o.Value("d", ""); text != "" {
		when, err = dates.Parse(text, when)
	}
	if file := o.Value("r", ""); file != "" {
		info, err := os.Stat(c.Path(file))
		if err != nil {
			return when, fmt.Errorf("%s: %s", file, command.Reason(err))
		}
		when = info.ModTime()
	}
	if o.Has("u") {
		when = when.UTC()
	}
	return when, err
}

// timeCommand runs a command and reports how long it took.
func timeCommand(ctx context.Context, c *command.Call) int {
	_, args, err := c.Options("+ p")
	if err == nil && len(args) == 0 {
		err = errors.New("which command?")
	}
	if err != nil {
		return c.Usage(err)
	}
	began := time.Now()
	code := c.Table.Run(ctx, c, args)
	command.PrintTimes(c.Stderr, time.Since(began))
	return code
}

// timeout ends a command that takes too long: exit code 124, or 143 with -s and -k as they are
// known elsewhere. It waits in vain for one that computes without pause.
func timeout(ctx context.Context, c *command.Call) int {
	o, args, err := c.Options("+ s|signal: k|kill-after: preserve-status foreground")
	if err == nil && len(args) < 2 {
		err = errors.New("how long, and which command?")
	}
	if err != nil {
		return c.Usage(err)
	}
	limit, err := command.ParseDuration(args[0])
	if err != nil {
		return c.Usage(err)
	}
	if limit == 0 {
		return c.Table.Run(ctx, c, args[1:])
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	call, gate := *c, &gate{out: c.Stdout}
	call.Stdout, call.Stdin = gate, command.Interruptible(ctx, c.Stdin)
	done := make(chan int, 1)
	go func() { done <- c.Table.Run(ctx, &call, args[1:]) }()
	select {
	case code := <-done:
		if ctx.Err() == nil {
			return code
		}
	case <-ctx.Done():
		gate.shut()
	}
	if o.Has("preserve-status") {
		return 143
	}
	return 124
}

// xargs runs a command with arguments read from standard input.
func xargs(ctx context.Context, c *command.Call) int {
	o, args, err := c.Options("+ 0|null n: I: r|no-run-if-empty t d: L: P: s: p x")
	if err != nil {
		return c.Usage(err)
	}
	if len(args) == 0 {
		args = []string{"echo"}
	}
	limit, err := strconv.Atoi(o.Value("n", o.Value("L", "5000")))
	if err != nil || limit < 1 {
		return c.Usage(errors.New("-n: a number is needed"))
	}
	words, err := xargsWords(c.Stdin, o)
	if err != nil {
		return c.Errorf("%v", err)
	}
	call := *c
	call.Stdin = strings.NewReader("")
	run := func(argv []string) int {
		if o.Has("t") {
			fmt.Fprintln(c.Stderr, strings.Join(argv, " "))
		}
		return xargsCode(c.Table.Run(ctx, &call, argv))
	}
	code := 0
	if mark := o.Value("I", ""); mark != "" {
		for _, word := range words {
			argv := make([]string, len(args))
			for i, arg := range args {
				argv[i] = strings.ReplaceAll(arg, mark, word)
			}
			code = max(code, run(argv))
		}
		return code
	}
	if len(words) == 0 && !o.Has("r") {
		return run(args)
	}
	for len(words) > 0 && code < command.CodeNotRunnable {
		n := min(limit, len(words))
		code = max(code, run(append(append([]string{}, args...), words[:n]...)))
		words = words[n:]
	}
	return code
}

// xargsCode is what POSIX makes of a command's exit code.
func xargsCode(code int) int {
	if code == 0 || code >= command.CodeNotRunnable {
		return code
	}
	return 123
}

// maxWords bounds what xargs reads.
const maxWords = 16 << 20

func xargsWords(r io.Reader, o command.Options) ([]string, error) {
	in := bufio.NewReader(io.LimitReader(r, maxWords))
	delimiter := byte(0)
	switch d := o.Value("d", ""); {
	case o.Has("0"):
	case o.Has("I") || o.Has("L") || d == `\n`:
		delimiter = '\n'
	case d != "":
		delimiter = d[0]
	default:
		return quotedWords(in)
	}
	content, err := io.ReadAll(in)
	var words []string
	for word := range strings.SplitSeq(strings.TrimSuffix(string(content), string(rune(delimiter))), string(rune(delimiter))) {
		if word = strings.TrimLeft(word, " \t"); word != "" || delimiter != '\n' && len(content) > 0 {
			words = append(words, word)
		}
	}
	return words, err
}
