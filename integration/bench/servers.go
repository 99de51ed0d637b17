// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	serverRounds = 3 // each takes seconds
	manyClients  = 32
	// A server that has not answered its first request by then never will.
	patience = 5 * time.Second
)

// server is a way to run httpguest.
type server struct {
	name    string
	command func(ctx context.Context, s *site, port string) (*exec.Cmd, error)
}

var servers = []server{
	{"Wazelet", wasmServer("wazelet")},
	{"wazero's own, guest as it is", wasmServer("wazero")},
	{"wazero's own, guest sets non-blocking", wasmServer("wazero", "nonblock")},
	{"native, for comparison", nativeServer},
}

// site is where servers are made.
type site struct{ wasm, native, cache string }

// serverTable has a row for each way to run the server.
type serverTable struct{ rows []serverRow }

type serverRow struct {
	name      string
	fault     string
	one, many []float64 // requests a second
	idle      []float64 // CPU time, in percent of a core
}

// measureServers measures a server written in Go, with each host that can be
// handed a listener.
func measureServers(ctx context.Context, p plan, dir string) (*serverTable, error) {
	s := &site{wasm: filepath.Join(dir, "http.wasm"), native: filepath.Join(dir, "http"), cache: filepath.Join(dir, "cache")}
	if err := errors.Join(build(ctx, p, s.wasm, "GOOS=wasip1", "GOARCH=wasm"), build(ctx, p, s.native)); err != nil {
		return nil, err
	}
	t := &serverTable{rows: make([]serverRow, len(servers))}
	for range serverRounds {
		for i, server := range servers {
			row := &t.rows[i]
			if row.name = server.name; row.fault != "" {
				continue
			}
			if err := row.measure(ctx, p, s, server); err != nil {
				return nil, fmt.Errorf("%s: %w", server.name, err)
			}
		}
	}
	return t, nil
}

func build(ctx context.Context, p plan, out string, env ...string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-p", "2", "-trimpath", "-ldflags=-s -w", "-o", out, "./httpguest")
	cmd.Dir, cmd.Env = p.source, append(append(os.Environ(), "CGO_ENABLED=0"), env...)
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("httpguest: %w\n%s", err, text)
	}
	return nil
}

// measure takes one server through its life. One that does not answer at all is no
// error, but what the table is to say.
func (row *serverRow) measure(ctx context.Context, p plan, s *site, how server) (err error) {
	// The port is free, and stays so unless somebody is quicker.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		return err
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	process, err := begin(ctx, s, how, port)
	if err != nil {
		return err
	}
	defer func() {
		cancel()
		_ = process.Wait() // it was killed
	}()
	url := "http://" + address + "/"
	transport := &http.Transport{MaxIdleConnsPerHost: manyClients}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	if err := first(ctx, client, url); err != nil {
		row.fault = "no answer"
		return nil //nolint:nilerr // it is what there is to say
	}
	if _, err := load(ctx, client, url, manyClients, p.http/5); err != nil { // for the caches
		return err
	}
	one, err := load(ctx, client, url, 1, p.http)
	if err != nil {
		return err
	}
	many, err := load(ctx, client, url, manyClients, p.http)
	if err != nil {
		return err
	}
	idle, err := cpu(ctx, process.Process.Pid, p.idle)
	row.one, row.many, row.idle = append(row.one, one), append(row.many, many), append(row.idle, idle)
	return err
}

// begin starts a server and waits until its socket is open. It is killed with the
// context.
func begin(ctx context.Context, s *site, how server, port string) (*exec.Cmd, error) {
	cmd, err := how.command(ctx, s, port)
	if err != nil {
		return nil, err
	}
	cmd.Stderr = os.Stderr
	if len(cmd.ExtraFiles) > 0 { // it is open
		return cmd, errors.Join(cmd.Start(), cmd.ExtraFiles[0].Close())
	}
	ready, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	if line, err := io.ReadAll(io.LimitReader(ready, int64(len(readyLine)))); string(line) != readyLine {
		return nil, errors.Join(fmt.Errorf("not ready: %q", line), err, cmd.Process.Kill(), cmd.Wait())
	}
	return cmd, nil
}

// nativeServer is handed its socket as descriptor 3.
func nativeServer(ctx context.Context, s *site, port string) (*exec.Cmd, error) {
	l, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, s.native)
	cmd.ExtraFiles = []*os.File{file}
	return cmd, nil
}

func wasmServer(host string, args ...string) func(context.Context, *site, string) (*exec.Cmd, error) {
	return func(ctx context.Context, s *site, port string) (*exec.Cmd, error) {
		return exec.CommandContext(ctx, "/proc/self/exe", append([]string{"serve", host, s.wasm, s.cache, port}, args...)...), nil
	}
}

func first(ctx context.Context, client *http.Client, url string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return get(ctx, client, url)
}

// load has so many clients send request after request, and answers how many were
// answered in a second.
func load(ctx context.Context, client *http.Client, url string, clients int, d time.Duration) (float64, error) {
	var requests atomic.Int64
	var failed atomic.Pointer[error]
	var all sync.WaitGroup
	began := time.Now()
	for range clients {
		all.Go(func() {
			for time.Since(began) < d {
				if err := get(ctx, client, url); err != nil {
					failed.Store(&err)
					return
				}
				requests.Add(1)
			}
		})
	}
	all.Wait()
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	return float64(requests.Load()) / time.Since(began).Seconds(), nil
}

func get(ctx context.Context, client *http.Client, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && string(text) != "hello\n" {
		err = fmt.Errorf("the answer is %q", text)
	}
	return err
}

// cpu is the CPU time that a process uses meanwhile, in percent of a core.
func cpu(ctx context.Context, pid int, d time.Duration) (float64, error) {
	before, err := ticks(pid)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-time.After(d):
	}
	after, err := ticks(pid)
	const perSecond = 100 // USER_HZ, as all architectures of ours have it
	return (after - before) / perSecond / time.Since(began).Seconds() * 100, err
}

// ticks reads proc_pid_stat(5): utime and stime are the 12th and 13th word after
// the name, which is in parentheses.
func ticks(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	words := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	var user, system float64
	if len(words) < 13 {
		return 0, fmt.Errorf("process %d: %q", pid, text)
	}
	_, err = fmt.Sscan(words[11]+" "+words[12], &user, &system)
	return user + system, err
}

func (t *serverTable) print(out io.Writer) {
	fmt.Fprintf(out, "\n| a web server in Go | requests/s, 1 client | requests/s, %d clients | CPU when idle |\n|---|---:|---:|---:|\n", manyClients)
	for _, row := range t.rows {
		if row.fault != "" {
			fmt.Fprintf(out, "| %s | %s | | |\n", row.name, row.fault)
			continue
		}
		fmt.Fprintf(out, "| %s | %.0f | %.0f | %.1f %% |\n", row.name, median(row.one), median(row.many), median(row.idle))
	}
	fmt.Fprintln(out, "| wasmtime (C API) | cannot be handed a socket | | |")
}
