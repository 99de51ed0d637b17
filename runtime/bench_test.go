// SPDX-License-Identifier: Apache-2.0

package runtime_test

import (
	"strconv"
	"testing"

	"github.com/wazelet/wazelet/imageservice"
	"github.com/wazelet/wazelet/integration/guests"
	"github.com/wazelet/wazelet/integration/guests/tiny"
	"github.com/wazelet/wazelet/runtime"
)

// BenchmarkContainer takes containers on the node's network through their life:
// create to started, and stop to removed, for the smallest module and for a
// server written in Go.
func BenchmarkContainer(b *testing.B) {
	for _, module := range []string{"tiny", "web"} {
		b.Run(module, func(b *testing.B) {
			d := newDaemon(b)
			wasm := tiny.Pause("up\n")
			if module != "tiny" {
				var err error
				wasm, err = guests.Read(guestDir, module)
				d.must(err)
			}
			img := d.pull(module+":1", wasm)
			sb := d.pod("bench")
			d.remove(d.started(sb.ID, img, "warm")) // compiled by now
			b.Run("start", func(b *testing.B) {
				defer traced(b)()
				for i := range b.N {
					c := d.started(sb.ID, img, strconv.Itoa(i))
					b.StopTimer()
					d.remove(c)
					b.StartTimer()
				}
			})
			b.Run("remove", func(b *testing.B) {
				for i := range b.N {
					b.StopTimer()
					c := d.started(sb.ID, img, strconv.Itoa(i))
					b.StartTimer()
					d.remove(c)
				}
			})
		})
	}
}

func (d *daemon) started(sandboxID string, img imageservice.Image, name string) runtime.Container {
	d.t.Helper()
	c, err := d.containers.Create(d.t.Context(), sandboxID, runtime.Config{
		Name: name, ImageID: img.ID, LogPath: "main.log",
		Annotations: map[string]string{"wazelet.dev/listen": "tcp://127.0.0.1:18917"},
	})
	d.must(err)
	d.must(d.containers.Start(d.t.Context(), c.ID))
	return c
}

func (d *daemon) remove(c runtime.Container) {
	d.t.Helper()
	d.must(d.containers.Stop(d.t.Context(), c.ID, 0))
	d.must(d.containers.Remove(d.t.Context(), c.ID))
}
