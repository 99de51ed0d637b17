// SPDX-License-Identifier: Apache-2.0

package launch_test

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wazelet/wazelet/runtime/engine/enginetest"
	"github.com/wazelet/wazelet/runtime/worker/launch"
	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// BenchmarkLifetime measures a container from its worker's spawn: to the gate,
// and on to the end of a guest that ends at once.
func BenchmarkLifetime(b *testing.B) {
	for _, c := range []struct {
		name, module string
	}{
		{"tiny", moduleFile(b, enginetest.Exit(0))},
		{"go", guestPath},
	} {
		b.Run(c.name, func(b *testing.B) {
			var ready time.Duration
			for b.Loop() {
				b.StopTimer()
				c := define(b, c.module)
				b.StartTimer()
				began := time.Now()
				if err := c.launch(b.Context()); err != nil {
					b.Fatal(err)
				}
				ready += time.Since(began)
				if _, err := c.client.Start(b.Context()); err != nil {
					b.Fatal(err)
				}
				if _, err := c.process.Wait(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(ready.Microseconds())/float64(b.N), "µs-to-ready")
		})
	}
}

// BenchmarkExec measures a command from its worker's spawn to its end, in a
// container that runs already.
func BenchmarkExec(b *testing.B) {
	for _, c := range []struct {
		name, module string
	}{
		{"tiny", moduleFile(b, enginetest.Exit(0))},
		{"go", guestPath},
	} {
		b.Run(c.name, func(b *testing.B) {
			host := define(b, guestPath, "sleep,10m")
			host.options.Spec.Mounts = []spec.Mount{{Type: spec.MountBind, Source: c.module, Destination: "/command.wasm"}}
			host.start()
			for b.Loop() {
				command, err := launch.Exec(b.Context(), launch.ExecOptions{
					WorkerPath: workerPath, Container: host.process, Spec: spec.Exec{Args: []string{"/command.wasm"}},
				}, compileCached(b), noBuiltin)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := command.Wait(b.Context()); err != nil {
					b.Fatal(err)
				}
				command.Release()
			}
		})
	}
}

// BenchmarkIdleMemory reports what a worker that waits at its gate holds.
func BenchmarkIdleMemory(b *testing.B) {
	for _, c := range []struct {
		name, module string
	}{
		{"tiny", moduleFile(b, enginetest.Exit(0))},
		{"go", guestPath},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				c := define(b, c.module)
				if err := c.launch(b.Context()); err != nil {
					b.Fatal(err)
				}
				for _, field := range []string{"Rss", "Pss", "Private_Dirty"} {
					b.ReportMetric(rollup(b, c.process.Pid, field), "kB-"+field)
				}
				if err := c.process.Kill(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// rollup reads one figure of /proc/PID/smaps_rollup in kB.
func rollup(b *testing.B, pid int, field string) float64 {
	f, err := os.Open(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), field+":"); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 64)
			if err != nil {
				b.Fatal(err)
			}
			return n
		}
	}
	b.Fatalf("no %s", field)
	return 0
}
