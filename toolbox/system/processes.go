// SPDX-License-Identifier: Apache-2.0

package system

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wazelet/wazelet/toolbox/command"
)

// process is what /proc tells of one.
type process struct {
	pid               int
	comm, cmdline     string
	uid, state, ppid  string
	memory            string
	hasStatus, hasCmd bool
}

// processes are those that /proc shows.
func processes() ([]process, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("/proc: %s: processes are not known here", command.Reason(err))
	}
	var all []process
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		all = append(all, readProcess(pid))
	}
	slices.SortFunc(all, func(a, b process) int { return cmp.Compare(a.pid, b.pid) })
	return all, nil
}

func readProcess(pid int) process {
	p := process{pid: pid}
	dir := "/proc/" + strconv.Itoa(pid) + "/"
	if cmdline, err := readFile(dir + "cmdline"); err == nil {
		p.cmdline = strings.TrimSpace(strings.ReplaceAll(cmdline, "\x00", " "))
		p.hasCmd = true
	}
	if comm, err := readFile(dir + "comm"); err == nil {
		p.comm = strings.TrimSpace(comm)
	}
	if status, err := fields(dir + "status"); err == nil {
		p.hasStatus = true
		p.comm = cmp.Or(p.comm, status["Name"])
		p.uid, _, _ = strings.Cut(status["Uid"], "\t")
		p.state, _, _ = strings.Cut(status["State"], " ")
		p.ppid, p.memory = status["PPid"], status["VmRSS"]
	}
	return p
}

// command is how a process is shown.
func (p process) command() string {
	if p.cmdline != "" {
		return p.cmdline
	}
	return "[" + p.comm + "]"
}

func (p process) user() string {
	if name := nameOf(passwdFile, p.uid); name != "" {
		return name
	}
	return p.uid
}

// ps lists processes. Options of other ps are taken, and there is one form.
func ps(_ context.Context, c *command.Call) int {
	all, err := processes()
	if err != nil {
		return c.Errorf("%v", err)
	}
	c.Printf("%5s %-8s %4s %s\n", "PID", "USER", "STAT", "COMMAND")
	for _, p := range all {
		c.Printf("%5d %-8s %4s %s\n", p.pid, p.user(), p.state, p.command())
	}
	return 0
}

// pgrep lists processes whose name, or with -f command line, matches.
func pgrep(_ context.Context, c *command.Call) int {
	o, args, err := c.Options("f x l a v n o")
	if err == nil && len(args) != 1 {
		err = errors.New("which pattern?")
	}
	if err != nil {
		return c.Usage(err)
	}
	pattern := args[0]
	if o.Has("x") {
		pattern = "^(?:" + pattern + ")$"
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return c.Usage(fmt.Errorf("%s: not a regular expression", args[0]))
	}
	all, err := processes()
	if err != nil {
		c.Errorf("%v", err)
		return 3
	}
	var matched []process
	for _, p := range all {
		text := p.comm
		if o.Has("f") {
			text = p.cmdline
		}
		if re.MatchString(text) != o.Has("v") {
			matched = append(matched, p)
		}
	}
	if len(matched) == 0 {
		return 1
	}
	switch {
	case o.Has("n"):
		matched = matched[len(matched)-1:]
	case o.Has("o"):
		matched = matched[:1]
	}
	for _, p := range matched {
		switch {
		case o.Has("a"):
			c.Printf("%d %s\n", p.pid, p.command())
		case o.Has("l"):
			c.Printf("%d %s\n", p.pid, p.comm)
		default:
			c.Printf("%d\n", p.pid)
		}
	}
	return 0
}

// top shows processes, anew and anew. Without a terminal to show them on it waits for its end, and
// costs nothing: that is what pods that are to do nothing run. -b writes tables, -n so many.
func top(ctx context.Context, c *command.Call) int {
	o, _, err := c.Options("b n: d: H m")
	if err != nil {
		return c.Usage(err)
	}
	every, err := command.ParseDuration(o.Value("d", "2"))
	if err != nil {
		return c.Usage(err)
	}
	times, err := strconv.Atoi(o.Value("n", "0"))
	if err != nil {
		return c.Usage(fmt.Errorf("-n: a number is needed"))
	}
	terminal := command.IsTerminal(c.Stdout)
	if !terminal && !o.Has("b") {
		for command.Sleep(ctx, time.Hour) { // Go takes waiting for nothing but ctx for a deadlock
		}
		return 143
	}
	for i := 1; ; i++ {
		if terminal && !o.Has("b") {
			c.Printf("\x1b[H\x1b[2J")
		}
		if code := table(c); code != 0 {
			return code
		}
		if i == times || !command.Sleep(ctx, max(every, 100*time.Millisecond)) {
			return 0
		}
	}
}

func table(c *command.Call) int {
	all, err := processes()
	if err != nil {
		return c.Errorf("%v", err)
	}
	c.Printf("%s  %d processes\n\n%5s %5s %-8s %4s %10s %s\n", time.Now().Format("15:04:05"), len(all),
		"PID", "PPID", "USER", "STAT", "RSS", "COMMAND")
	for _, p := range all {
		c.Printf("%5d %5s %-8s %4s %10s %s\n", p.pid, p.ppid, p.user(), p.state, p.memory, p.command())
	}
	return 0
}

// kill can say whether a process is there (-0), and list the signals. Sending them needs a call that
// WASI has not.
func kill(_ context.Context, c *command.Call) int {
	if len(c.Args) == 0 {
		return c.Usage(errors.New("which process?"))
	}
	if c.Args[0] == "-l" {
		return c.Write("HUP INT QUIT KILL USR1 USR2 TERM\n")
	}
	if c.Args[0] != "-0" {
		return c.Errorf("WASI has no call that sends a signal; the pod is stopped with kubectl delete")
	}
	code := 0
	for _, pid := range c.Args[1:] {
		if _, err := strconv.Atoi(pid); err != nil {
			return c.Usage(fmt.Errorf("%s: not the number of a process", pid))
		}
		if _, err := os.Stat("/proc/" + pid); err != nil {
			code = c.Errorf("%s: no such process", pid)
		}
	}
	return code
}
