// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/bytecodealliance/wasmtime-go/v39"
)

//go:embed guest.wat
var guestText string

// The tree that is walked: directories with files in them, and the one file that
// the others read and write.
const (
	treeDirs    = 20
	treeFiles   = 50
	treeEntries = treeDirs*(treeFiles+1) + 1
)

// work is one thing to measure: how long an operation takes.
type work struct {
	name string
	// do has the guest do it and answers the time that one operation took.
	do func(ctx context.Context, c *contender) (time.Duration, error)
}

func works() []work {
	list := []work{{"seek", repeated(40000, "seek")}}
	for _, size := range []struct {
		name         string
		bytes, count int32
	}{{"64 B", 64, 20000}, {"4 KiB", 4096, 8000}, {"1 MiB", 1 << 20, 32}} {
		list = append(list,
			work{"write " + size.name, repeated(size.count, "write", size.bytes)},
			work{"read " + size.name, repeated(size.count, "read", size.bytes)})
	}
	return append(list,
		work{"open and close a file", repeated(4000, "open")},
		work{fmt.Sprintf("walk a tree of %d entries, each", treeEntries), walk},
		work{"poll: woken by a pipe, to and fro", pingPong(3000)})
}

// repeated has the guest do something so many times; count is its last argument.
func repeated(count int32, name string, args ...int32) func(context.Context, *contender) (time.Duration, error) {
	args = append(args, count)
	return func(_ context.Context, c *contender) (time.Duration, error) {
		began := time.Now()
		_, err := c.guest.call(name, args...)
		return time.Since(began) / time.Duration(count), err
	}
}

func walk(_ context.Context, c *contender) (time.Duration, error) {
	began := time.Now()
	entries, err := c.guest.call("walk")
	took := time.Since(began)
	if err == nil && entries != treeEntries {
		err = fmt.Errorf("found %d entries of %d", entries, treeEntries)
	}
	return took / treeEntries, err
}

// measureCalls measures everything that guest.wat does.
func measureCalls(ctx context.Context, p plan, dir string) (t *callTable, err error) {
	wasm, err := wasmtime.Wat2Wasm(guestText)
	if err != nil {
		return nil, fmt.Errorf("guest.wat: %w", err)
	}
	if dir, err = makeTree(dir); err != nil {
		return nil, err
	}
	var contenders []*contender
	defer func() {
		for _, c := range contenders {
			err = errors.Join(err, c.close())
		}
	}()
	for _, e := range engines {
		c, err := enter(ctx, e, wasm, dir)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.name, err)
		}
		contenders = append(contenders, c)
	}
	t = &callTable{}
	for _, w := range works() {
		row := callRow{name: w.name, times: make([][]time.Duration, len(engines))}
		for round := range p.rounds + 1 {
			for i := range engines {
				n := (i + round) % len(engines)
				if err := ctx.Err(); err != nil {
					return nil, err
				}
				took, err := w.do(ctx, contenders[n])
				if err != nil {
					return nil, fmt.Errorf("%s: %s: %w", engines[n].name, w.name, err)
				}
				if round > 0 { // the first is for the caches
					row.times[n] = append(row.times[n], took)
				}
			}
		}
		t.rows = append(t.rows, row)
	}
	return t, nil
}

// contender is an engine that runs the guest, and the far ends of its pipes.
type contender struct {
	guest       guest
	there, back *os.File
}

func enter(ctx context.Context, e engine, wasm []byte, dir string) (*contender, error) {
	stdin, there, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	back, stdout, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, stdin.Close(), there.Close())
	}
	c := &contender{there: there, back: back}
	if c.guest, err = e.start(ctx, wasm, given{dir: dir, stdin: stdin, stdout: stdout}); err != nil {
		return nil, errors.Join(err, stdin.Close(), stdout.Close(), there.Close(), back.Close())
	}
	return c, nil
}

func (c *contender) close() error {
	return errors.Join(c.guest.close(), c.there.Close(), c.back.Close())
}

// makeTree makes the directory that the guests share.
func makeTree(parent string) (string, error) {
	root := filepath.Join(parent, "tree")
	for d := range treeDirs {
		dir := filepath.Join(root, fmt.Sprintf("directory-%02d", d))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return "", err
		}
		for f := range treeFiles {
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("file-%02d", f)), nil, 0o644); err != nil {
				return "", err
			}
		}
	}
	return root, os.WriteFile(filepath.Join(root, "data"), nil, 0o644)
}
