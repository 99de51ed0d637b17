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
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/wazelet/wazelet/integration/podbench/result"
)

// side is a way to run a program.
type side struct {
	result.Side
	// command is what runs the program with these arguments.
	command func(p program, args []string) *exec.Cmd
	// rounds bounds those of a turn; 0 does not. A slow side is seen well enough in one.
	rounds int
}

// sides of a run that keeps what it needs in dir. The first is the one that is judged.
func sides(o *options, self, dir string) []side {
	engine := func(name string) func(p program, args []string) *exec.Cmd {
		return func(p program, args []string) *exec.Cmd {
			cache := filepath.Join(dir, name)
			if name == "wasmtime" {
				cache = p.wasm + ".wasmtime"
			}
			return exec.Command(self, append([]string{"engine", name, cache, p.wasm}, args...)...)
		}
	}
	wazero, wasmtime := version("github.com/tetratelabs/wazero"), version("github.com/bytecodealliance/wasmtime-go/v39")
	return []side{
		{Side: result.Side{Name: "wazelet", Version: "Wazelet"}, command: func(p program, args []string) *exec.Cmd {
			cmd := exec.Command(o.wazelet, append([]string{"run", p.wasm}, args...)...)
			cmd.Env = append(os.Environ(), "XDG_DATA_HOME="+filepath.Join(dir, "wazelet"))
			return cmd
		}},
		{Side: result.Side{Name: "native", Version: "native"}, command: func(p program, args []string) *exec.Cmd {
			cmd := exec.Command(p.native, args...)
			cmd.Env = append(os.Environ(), "GOMAXPROCS=1") // a guest has one thread, too
			return cmd
		}},
		{Side: result.Side{Name: "wazero", Version: "wazero " + wazero}, command: engine("wazero")},
		{Side: result.Side{Name: "wazero-flag", Version: "wazero + flag"}, command: engine("wazero-flag"), rounds: 1},
		{Side: result.Side{Name: "wasmtime", Version: "wasmtime " + wasmtime}, command: engine("wasmtime")},
	}
}

// version is that of a module this program is built with.
func version(path string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, dep := range info.Deps {
		if dep.Path == path {
			return strings.TrimPrefix(dep.Version, "v")
		}
	}
	return ""
}

// measure gives each side its turns with each kernel.
func measure(ctx context.Context, o *options) (f *result.File, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "wazelet-compute-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	programs, err := build(ctx, o, dir)
	if err != nil {
		return nil, err
	}
	f = &result.File{Version: result.Version, Time: time.Now().UTC(), Options: o.args}
	f.Machine.Describe()
	all := sides(o, self, dir)
	if o.wasmedge {
		s, err := wasmedge(ctx, programs)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	for _, s := range all {
		f.Sides = append(f.Sides, s.Side)
	}
	for _, p := range programs {
		load := result.LoadAverage()
		f.Machine.Load = append(f.Machine.Load, load)
		fmt.Fprintf(os.Stderr, "compute: %s (load %.1f)\n", p.name, load)
		if err := contest(ctx, o, f, all, p); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// contest measures one kernel on all sides, who begins changing from turn to turn.
func contest(ctx context.Context, o *options, f *result.File, all []side, p program) error {
	want := "" // the checksum, which the first to run decides
	for turn := range o.turns {
		for i := range all {
			if err := ctx.Err(); err != nil {
				return err
			}
			s := all[(i+turn)%len(all)]
			times, sum, err := s.run(ctx, p, o.rounds, o.fifo)
			if err == nil && want != "" && sum != want {
				err = fmt.Errorf("computed %s, others %s", sum, want)
			}
			if err != nil {
				return fmt.Errorf("%s: %s: %w", p.name, s.Name, err)
			}
			want = sum
			f.Add(p.name, s.Name, "", "ms", times...)
		}
	}
	return nil
}

// run runs the program once, and returns the milliseconds of its rounds but the
// first, which fills the caches, and their checksum.
func (s side) run(ctx context.Context, p program, rounds, fifo int) (times []float64, sum string, err error) {
	if s.rounds > 0 {
		rounds = min(rounds, s.rounds)
	}
	plan := s.command(p, []string{p.work(), strconv.Itoa(rounds + 1)})
	words := plan.Args
	if fifo > 0 {
		words = append([]string{"chrt", "--fifo", strconv.Itoa(fifo)}, words...)
	}
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	var output, errs bytes.Buffer
	cmd.Env, cmd.Stdout, cmd.Stderr = plan.Env, &output, &errs
	if err := cmd.Run(); err != nil {
		return nil, "", fmt.Errorf("%w\n%s", err, errs.Bytes())
	}
	for line := range strings.Lines(output.String()) {
		var ns int64
		var computed string
		if _, err := fmt.Sscan(line, &ns, &computed); err != nil {
			return nil, "", fmt.Errorf("said %q: %w", line, err)
		}
		if sum != "" && computed != sum {
			return nil, "", fmt.Errorf("computed %s and %s", sum, computed)
		}
		sum = computed
		times = append(times, float64(ns)/1e6)
	}
	if len(times) != rounds+1 {
		return nil, "", fmt.Errorf("said %d times of %d", len(times), rounds+1)
	}
	return times[1:], sum, nil
}
