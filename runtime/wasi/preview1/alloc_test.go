// SPDX-License-Identifier: Apache-2.0

package preview1_test

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/wasi"
	"github.com/wazelet/wazelet/runtime/wasi/internal/wasitest"
)

// nop is a Sink that keeps nothing.
type nop struct{}

func (nop) Write(p []byte) (int, error) { return len(p), nil }

// TestHotPathsLeaveNoGarbage compares each call with sched_yield, which allocates what calling a
// host function from Go costs and nothing else.
func TestHotPathsLeaveNoGarbage(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, fd := range fds {
			_ = unix.Close(fd)
		}
	})
	in, inW := wasitest.Pipe(t)
	dir := t.TempDir()
	writeFile(t, dir, "f", "some content of a file")
	c, _ := caller(t, wasi.Options{
		Stdin: wasi.StdioFD(in), Stdout: wasi.StdioSink(nop{}), Preopens: wasitest.Dir(t, dir),
		Listeners: []wasi.Listener{{FD: fds[0]}, {FD: fds[1]}},
	})
	file := open(t, c, "f", 0, 0)
	if _, err := unix.Write(inW, make([]byte, 10000)); err != nil {
		t.Fatal(err)
	}
	c.PutVectors(atIovs, [2]uint32{atData, 4}, [2]uint32{atData + 4, 4})
	const vectors20 = 0x2000
	for i := range uint32(20) {
		c.PutVectors(vectors20+8*i, [2]uint32{atData + i, 1})
	}
	putSubs(c, 48, 16, []sub{timer(1, 1e9), {kind: subRead, fd: 0}, {kind: subWrite, fd: 1}, timer(0, 5)})
	copy(c.Mem[0x3000:0x4000], c.Mem[atData:])

	yield := c.Bind(p1("sched_yield"))
	cost := testing.AllocsPerRun(100, yield)
	for name, call := range map[string]func(){
		"fd_write to a sink":        c.Bind(p1("fd_write"), 1, atIovs, 2, atResult),
		"fd_write to a file":        c.Bind(p1("fd_write"), file, atIovs, 2, atResult),
		"fd_write of many vectors":  c.Bind(p1("fd_write"), file, vectors20, 20, atResult),
		"fd_pwrite":                 c.Bind(p1("fd_pwrite"), file, atIovs, 2, 0, atResult),
		"fd_pread":                  c.Bind(p1("fd_pread"), file, atIovs, 2, 0, atResult),
		"fd_read of a pipe":         c.Bind(p1("fd_read"), 0, atIovs, 2, atResult),
		"fd_seek":                   c.Bind(p1("fd_seek"), file, 0, 0, atResult),
		"fd_filestat_get":           c.Bind(p1("fd_filestat_get"), file, atStruct),
		"clock_time_get":            c.Bind(p1("clock_time_get"), 1, 0, atResult),
		"random_get":                c.Bind(p1("random_get"), atData, 8),
		"poll_oneoff":               c.Bind(p1("poll_oneoff"), 0x3000, atEvents, 4, atResult),
		"poll_oneoff with timeout":  c.Bind(p1("poll_oneoff"), 0x3000+3*48, atEvents, 1, atResult),
		"sock_send and sock_recv":   both(c.Bind(p1("sock_send"), 4, atIovs, 2, 0, atResult), c.Bind(p1("sock_recv"), 5, atIovs, 2, 0, atResult, atResult2)),
		"fd_write and fd_read sock": both(c.Bind(p1("fd_write"), 4, atIovs, 2, atResult), c.Bind(p1("fd_read"), 5, atIovs, 2, atResult)),
	} {
		calls := cost
		if name == "sock_send and sock_recv" || name == "fd_write and fd_read sock" {
			calls = 2 * cost
		}
		if got := testing.AllocsPerRun(100, call); got > calls {
			t.Errorf("%s: %v allocations, calling alone takes %v", name, got, calls)
		}
	}
}

func both(a, b func()) func() { return func() { a(); b() } }
