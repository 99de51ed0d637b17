// SPDX-License-Identifier: Apache-2.0

package network

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/sandbox/internal/nodetest"
)

// BenchmarkPluginCrowd attaches and detaches many pods together, by how many may have
// their plugins run at once: the processor time that the plugins take for a pod, and how
// long the slowest pod takes.
func BenchmarkPluginCrowd(b *testing.B) {
	const pods = 48
	for _, atOnce := range []int{1, 2, 4, 8, 16, 2 * pods} {
		b.Run(fmt.Sprint(atOnce), func(b *testing.B) {
			n := nodetest.NewNetwork(b)
			p, err := New(Options{BinDirs: n.BinDirs, ConfDir: n.ConfDir, CacheDir: n.CacheDir, AtOnce: atOnce})
			if err != nil {
				b.Fatal(err)
			}
			var paths []string
			for range pods {
				paths = append(paths, namespace(b))
			}
			var plugins, slowest time.Duration
			for b.Loop() {
				before := children(b)
				slowest = max(slowest, crowd(b, p, paths))
				plugins += children(b) - before
			}
			b.ReportMetric(float64(plugins.Milliseconds())/float64(b.N*pods), "cpu-ms/pod")
			b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N*pods), "ms/pod")
			b.ReportMetric(float64(slowest.Milliseconds()), "slowest-ms")
		})
	}
}

// crowd attaches a pod to each namespace, all together, then detaches them. It answers
// the longest that one took, the wait for its turn included.
func crowd(b *testing.B, p *Plugin, paths []string) time.Duration {
	b.Helper()
	took := make([]time.Duration, len(paths))
	plans := make([]*Attachment, len(paths))
	var err error
	for i := range paths {
		if plans[i], err = p.Plan(fmt.Sprintf("crowd%d", i), request()); err != nil {
			b.Fatal(err)
		}
	}
	for _, do := range []func(i int) error{
		func(i int) error {
			_, err := p.Attach(b.Context(), fmt.Sprintf("crowd%d", i), paths[i], plans[i])
			return err
		},
		func(i int) error { return p.Detach(b.Context(), fmt.Sprintf("crowd%d", i), paths[i], plans[i]) },
	} {
		var all sync.WaitGroup
		for i := range paths {
			all.Go(func() {
				began := time.Now()
				if err := do(i); err != nil {
					b.Error(err)
				}
				took[i] = max(took[i], time.Since(began))
			})
		}
		all.Wait()
	}
	return slices.Max(took)
}

// children is the processor time of all processes that this one has waited for.
func children(b *testing.B) time.Duration {
	b.Helper()
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_CHILDREN, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
