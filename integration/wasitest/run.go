// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// runner runs cases. Everything it makes is in one directory.
type runner struct {
	wazelet string
	config  string
	dir     string
	timeout time.Duration
}

// outcome is how a case went: well, if there are no faults.
type outcome struct {
	took   time.Duration
	faults []string
	stderr string
}

func newRunner(wazelet string, timeout time.Duration) (_ *runner, err error) {
	if wazelet, err = filepath.Abs(wazelet); err != nil {
		return nil, err
	}
	if _, err := os.Stat(wazelet); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "wasitest")
	if err != nil {
		return nil, err
	}
	r := &runner{wazelet: wazelet, config: filepath.Join(dir, "config.toml"), dir: dir, timeout: timeout}
	// The machine's own configuration may name another worker.
	text := fmt.Sprintf("version = 1\n[worker]\npath = %q\n", filepath.Join(filepath.Dir(wazelet), "wazelet-worker"))
	if err := os.WriteFile(r.config, []byte(text), 0o644); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

func (r *runner) close() error { return os.RemoveAll(r.dir) }

// run runs one case. Whatever goes wrong is a fault of the case.
func (r *runner) run(ctx context.Context, c testCase) (o outcome) {
	began := time.Now()
	defer func() { o.took = time.Since(began) }()
	if c.fault != nil {
		return outcome{faults: []string{c.fault.Error()}}
	}
	work, err := os.MkdirTemp(r.dir, "case")
	if err != nil {
		return outcome{faults: []string{err.Error()}}
	}
	args, err := r.arguments(c, work)
	if err != nil {
		return outcome{faults: []string{err.Error()}}
	}
	o = r.execute(ctx, c.spec, args)
	if err := os.RemoveAll(work); err != nil {
		o.faults = append(o.faults, err.Error())
	}
	return o
}

// arguments makes the command line that gives a case what it asks for. A guest's
// root is its container's, so the entries of the directory that shall be the root
// are shown in it one by one, from the copy in work.
func (r *runner) arguments(c testCase, work string) ([]string, error) {
	args := []string{"run", "--config", r.config, "--clear-env"}
	for name, value := range c.spec.Env {
		args = append(args, "--env", name+"="+value)
	}
	if root := c.root(); root == "" {
		args = append(args, "--no-dirs")
	} else {
		if err := os.CopyFS(work, os.DirFS(root)); err != nil {
			return nil, fmt.Errorf("copy of the case's directory: %w", err)
		}
		entries, err := os.ReadDir(work)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			args = append(args, "--dir", filepath.Join(work, e.Name())+":/"+e.Name())
		}
	}
	return append(append(args, c.module), c.spec.Args...), nil
}

// execute runs the command, with an open pipe that stays empty as its standard
// input, and compares.
func (r *runner) execute(ctx context.Context, want specification, args []string) (o outcome) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, r.wazelet, args...)
	cmd.Env = []string{"HOME=" + r.dir, "XDG_DATA_HOME=" + filepath.Join(r.dir, "data"), "PATH=" + os.Getenv("PATH")}
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = 5 * time.Second
	if _, err := cmd.StdinPipe(); err != nil {
		return outcome{faults: []string{err.Error()}}
	}
	err := cmd.Run()
	o.stderr = stderr.String()
	fault := func(format string, a ...any) { o.faults = append(o.faults, fmt.Sprintf(format, a...)) }
	switch {
	case ctx.Err() != nil:
		fault("not at its end after %v", r.timeout)
		return o
	case cmd.ProcessState == nil:
		fault("%v", err)
		return o
	}
	if code := cmd.ProcessState.ExitCode(); code != want.ExitCode {
		fault("exit code %d, want %d", code, want.ExitCode)
	}
	for _, stream := range []struct {
		name string
		got  string
		want *string
	}{{"output", stdout.String(), want.Stdout}, {"error", o.stderr, want.Stderr}} {
		if stream.want != nil && stream.got != *stream.want {
			fault("standard %s is %q, want %q", stream.name, strings.ToValidUTF8(stream.got, "?"), *stream.want)
		}
	}
	return o
}
