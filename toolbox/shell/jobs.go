// SPDX-License-Identifier: Apache-2.0

package shell

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// firstJob is the number of the first job. Jobs are goroutines: their numbers stand for process ids
// in $!, wait and kill, and mean nothing to anybody else.
const firstJob = 101

// job is a command that runs in the background.
type job struct {
	id     int
	text   string
	done   chan struct{}
	code   int // once done is closed
	cancel context.CancelFunc
}

// jobs are those of one shell.
type jobs struct {
	list []*job
	next int
}

func newJobs() *jobs { return &jobs{next: firstJob} }

// find looks up a job by its number, or by %N.
func (j *jobs) find(name string) *job {
	n, err := strconv.Atoi(strings.TrimPrefix(name, "%"))
	if err != nil {
		return nil
	}
	if strings.HasPrefix(name, "%") {
		n += firstJob - 1
	}
	for _, one := range j.list {
		if one.id == n {
			return one
		}
	}
	return nil
}

// background starts a command that is not waited for.
func (s *shell) background(stmt *syntax.Stmt) {
	sub := s.subshell()
	sub.fds[0] = nothing()
	ctx, cancel := context.WithCancel(s.life)
	sub.life = ctx
	one := &job{id: s.jobs.next, text: source(stmt), done: make(chan struct{}), cancel: cancel}
	s.jobs.next++
	s.jobs.list = append(s.jobs.list, one)
	s.pid, s.status = one.id, 0
	go func() {
		defer close(one.done)
		defer cancel()
		one.code = sub.isolated(ctx, func() { sub.foreground(ctx, stmt) })
		if ctx.Err() != nil {
			one.code = cancelled
		}
	}()
}

// source writes a command as a text.
func source(node syntax.Node) string {
	var text bytes.Buffer
	if err := syntax.NewPrinter(syntax.SingleLine(true)).Print(&text, node); err != nil {
		return ""
	}
	return strings.TrimSuffix(strings.TrimSpace(text.String()), " &")
}

// wait waits for jobs: those named, or all.
func (s *shell) wait(ctx context.Context, args []string) int {
	if len(args) == 1 {
		for _, one := range s.jobs.list {
			if !one.await(ctx) {
				return cancelled
			}
		}
		s.jobs.list = nil
		return 0
	}
	code := 0
	for _, name := range args[1:] {
		one := s.jobs.find(name)
		if one == nil {
			s.errorf("wait: %s: no such job", name)
			code = 127
			continue
		}
		if !one.await(ctx) {
			return cancelled
		}
		code = one.code
	}
	return code
}

func (j *job) await(ctx context.Context) bool {
	select {
	case <-j.done:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s *shell) listJobs() int {
	var left []*job
	for _, one := range s.jobs.list {
		state := "Running"
		select {
		case <-one.done:
			if state = "Done"; one.code != 0 {
				state = fmt.Sprintf("Exit %d", one.code)
			}
		default:
			left = append(left, one)
		}
		printTo(s.stdout(), "[%d]  %-10s %s\n", one.id-firstJob+1, state, one.text)
	}
	s.jobs.list = left
	return 0
}

// kill ends jobs of this shell; everything else is up to the command of that name.
func (s *shell) kill(ctx context.Context, args []string) int {
	var targets []*job
	for _, arg := range args[1:] {
		if one := s.jobs.find(arg); one != nil {
			targets = append(targets, one)
		} else if !strings.HasPrefix(arg, "-") {
			return s.table.Run(ctx, s.call(s.vars), args)
		}
	}
	if len(targets) == 0 {
		return s.table.Run(ctx, s.call(s.vars), args)
	}
	if args[1] == "-0" {
		return 0
	}
	for _, one := range targets {
		one.cancel()
	}
	return 0
}
