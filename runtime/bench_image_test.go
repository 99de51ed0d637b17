// SPDX-License-Identifier: Apache-2.0

package runtime_test

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"testing"

	"github.com/sirupsen/logrus"

	"github.com/wazelet/wazelet/imageservice"
	"github.com/wazelet/wazelet/integration/guests"
	"github.com/wazelet/wazelet/integration/guests/tiny"
	"github.com/wazelet/wazelet/integration/lab"
	"github.com/wazelet/wazelet/integration/lab/parts"
	"github.com/wazelet/wazelet/runtime"
	"github.com/wazelet/wazelet/sandbox"
)

// program is a module that prints something and ends.
type program struct {
	module []byte
	args   []string
}

// programs are the smallest module, one written in Go, and one of 31 MB of code.
func programs(b *testing.B) map[string]func() program {
	b.Helper()
	must := func(module []byte, err error) []byte {
		if err != nil {
			b.Fatal(err)
		}
		return module
	}
	return map[string]func() program{
		"tiny":  func() program { return program{module: tiny.Hello("hello\n")} },
		"hello": func() program { return program{module: must(guests.Read(guestDir, "hello"))} },
		"yosys": func() program {
			path, err := lab.PrepareModule(b.Context(), os.Stderr, parts.Yosys)
			if err != nil {
				b.Fatal(err)
			}
			return program{must(os.ReadFile(path)), []string{"/app.wasm", "-V"}}
		},
	}
}

// quiet keeps warnings of the store out of the figures.
func quiet(b *testing.B) {
	b.Helper()
	before := logrus.GetLevel()
	logrus.SetLevel(logrus.ErrorLevel)
	b.Cleanup(func() { logrus.SetLevel(before) })
}

// BenchmarkImage brings a program from the registry to its end: pulled, compiled
// and run for the first time; run again; and run after a restart of the daemon.
func BenchmarkImage(b *testing.B) {
	quiet(b)
	all := programs(b)
	for _, name := range []string{"tiny", "hello", "yosys"} {
		b.Run(name, func(b *testing.B) {
			p := all[name]()
			b.Run("pull-and-first-start", func(b *testing.B) {
				for range b.N {
					b.StopTimer()
					d := newDaemon(b)
					sb := d.pod("bench")
					b.StartTimer()
					d.toItsEnd(sb, d.pull(name+":1", p.module), "first", p.args)
				}
			})
			d := newDaemon(b)
			sb := d.pod("bench")
			img := d.pull(name+":1", p.module)
			d.toItsEnd(sb, img, "warm", p.args)
			b.Run("second-start", func(b *testing.B) {
				for i := range b.N {
					d.toItsEnd(sb, img, "second"+strconv.Itoa(i), p.args)
				}
			})
			b.Run("start-after-restart", func(b *testing.B) {
				for i := range b.N {
					b.StopTimer()
					d.close()
					d.open()
					b.StartTimer()
					d.toItsEnd(sb, img, "restarted"+strconv.Itoa(i), p.args)
				}
				b.ReportMetric(float64(d.modules.Compiles()), "compiles")
			})
		})
	}
}

// toItsEnd runs a container and removes it, which is not timed.
func (d *daemon) toItsEnd(sb sandbox.Sandbox, img imageservice.Image, name string, args []string) {
	d.t.Helper()
	c := d.create(sb, img, func(c *runtime.Config) { c.Name, c.LogPath, c.Command = name, name+".log", args })
	d.must(d.containers.Start(d.t.Context(), c.ID))
	if end := d.ended(c.ID); end.ExitCode != 0 {
		d.t.Fatalf("%s ended with %+v", name, end.Message)
	}
	if b, ok := d.t.(*testing.B); ok {
		b.StopTimer()
		defer b.StartTimer()
	}
	d.must(d.containers.Remove(d.t.Context(), c.ID))
}

// BenchmarkCrowd creates 50 containers at once of a module that is not compiled
// yet, and tells how many compilers ran for it.
func BenchmarkCrowd(b *testing.B) {
	quiet(b)
	wasm, err := guests.Read(guestDir, "hello")
	if err != nil {
		b.Fatal(err)
	}
	compiles := int64(0)
	for range b.N {
		b.StopTimer()
		d := newDaemon(b)
		img := d.pull("hello:1", wasm)
		sb := d.pod("crowd")
		b.StartTimer()
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				config := runtime.Config{Name: strconv.Itoa(i), ImageID: img.ID, LogPath: fmt.Sprint(i, ".log")}
				if _, err := d.containers.Create(b.Context(), sb.ID, config); err != nil {
					b.Error(err)
				}
			})
		}
		wg.Wait()
		compiles += d.modules.Compiles()
	}
	b.ReportMetric(float64(compiles)/float64(b.N), "compiles/key")
}
