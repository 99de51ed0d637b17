// SPDX-License-Identifier: Apache-2.0

package preview1_test

import (
	"encoding/binary"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/wasi"
	"github.com/wazelet/wazelet/runtime/wasi/internal/wasitest"
)

const (
	subClock = iota
	subRead
	subWrite

	atEvents = 0x8000
)

// sub is a subscription a test makes.
type sub struct {
	kind    byte
	fd      uint32
	clock   uint32
	timeout uint64
	flags   uint16
}

// event is one a poll answered with; index is which subscription it belongs to.
type event struct {
	index  uint64
	errno  wasi.Errno
	kind   byte
	nbytes uint64
	flags  uint16
}

// putSubs lays subscriptions out as the snapshot has them; userdata is the index.
func putSubs(c *wasitest.Caller, size, clockAt int, subs []sub) {
	for i, s := range subs {
		b := c.Mem[atData+size*i:][:size]
		clear(b)
		binary.LittleEndian.PutUint64(b, uint64(i))
		b[8] = s.kind
		if s.kind != subClock {
			binary.LittleEndian.PutUint32(b[16:], s.fd)
			continue
		}
		binary.LittleEndian.PutUint32(b[clockAt:], s.clock)
		binary.LittleEndian.PutUint64(b[clockAt+8:], s.timeout)
		binary.LittleEndian.PutUint16(b[clockAt+24:], s.flags)
	}
}

func events(c *wasitest.Caller, at uint64) (list []event) {
	for i := range uint64(c.U32(atResult)) {
		b := c.Mem[at+32*i:]
		list = append(list, event{
			index: binary.LittleEndian.Uint64(b), errno: wasi.Errno(binary.LittleEndian.Uint16(b[8:])),
			kind: b[10], nbytes: binary.LittleEndian.Uint64(b[16:]), flags: binary.LittleEndian.Uint16(b[24:]),
		})
	}
	return list
}

func poll(t *testing.T, c *wasitest.Caller, subs ...sub) []event {
	t.Helper()
	putSubs(c, 48, 16, subs)
	c.Expect(wasi.ESUCCESS, p1("poll_oneoff"), atData, atEvents, uint64(len(subs)), atResult)
	return events(c, atEvents)
}

func TestPollTellsWhatIsReady(t *testing.T) {
	in, inW := wasitest.Pipe(t)
	outR, out := wasitest.Pipe(t)
	c, dirName := inDirWith(t, wasi.Options{Stdin: wasi.StdioFD(in), Stdout: wasi.StdioFD(out)})
	writeFile(t, dirName, "f", "12345678")
	file := uint32(open(t, c, "f", 0, 0))

	late := sub{kind: subClock, clock: 1, timeout: 1e18}
	if got := poll(t, c, sub{kind: subRead, fd: 0}, sub{kind: subWrite, fd: 1}, late); len(got) != 1 || got[0].index != 1 {
		t.Errorf("empty stdin, writable stdout: %+v", got)
	}
	if _, err := unix.Write(inW, []byte("abc")); err != nil {
		t.Fatal(err)
	}
	if got := poll(t, c, sub{kind: subRead, fd: 0}, late); len(got) != 1 || got[0].nbytes != 3 || got[0].flags != 0 {
		t.Errorf("stdin with 3 bytes: %+v", got)
	}
	if err := unix.Close(inW); err != nil {
		t.Fatal(err)
	}
	if got := read(t, c, 0, 10); got != "abc" {
		t.Errorf("read: %q", got)
	}
	if got := poll(t, c, sub{kind: subRead, fd: 0}, late); len(got) != 1 || got[0].flags != 1 || got[0].kind != subRead {
		t.Errorf("stdin hung up: %+v", got)
	}
	if err := unix.Close(outR); err != nil {
		t.Fatal(err)
	}
	if got := poll(t, c, sub{kind: subWrite, fd: 1}, late); len(got) != 1 || got[0].flags != 1 {
		t.Errorf("stdout without a reader: %+v", got)
	}
	got := poll(t, c, sub{kind: subRead, fd: file}, sub{kind: subWrite, fd: file}, sub{kind: subWrite, fd: 2}, late)
	if len(got) != 3 || got[0].nbytes != 8 {
		t.Errorf("files and sinks are always ready: %+v", got)
	}
}

// inDirWith is inDir with more options.
func inDirWith(t *testing.T, o wasi.Options) (*wasitest.Caller, string) {
	t.Helper()
	dir := t.TempDir()
	o.Preopens = wasitest.Dir(t, dir)
	c, _ := caller(t, o)
	return c, dir
}

func TestPollReportsErrorsPerSubscription(t *testing.T) {
	c, dir := inDir(t)
	writeFile(t, dir, "f", "")
	noRight, errno, _ := openWith(c, "f", 0, 0, uint64(wasi.RightFDRead), 0)
	if errno != wasi.ESUCCESS {
		t.Fatal(errno)
	}
	got := poll(t, c, sub{kind: subRead, fd: 99}, sub{kind: subClock, clock: 9}, sub{kind: subClock, clock: 2},
		sub{kind: subRead, fd: uint32(noRight)}, sub{kind: subClock, clock: 1, timeout: 1e18})
	want := []wasi.Errno{wasi.EBADF, wasi.EINVAL, wasi.ENOTSUP, wasi.ENOTCAPABLE}
	if len(got) != len(want) {
		t.Fatalf("events: %+v", got)
	}
	for i, e := range got {
		if e.errno != want[i] || e.index != uint64(i) {
			t.Errorf("event %d: %+v, want %v", i, e, want[i])
		}
	}
	c.Expect(wasi.EINVAL, p1("poll_oneoff"), atData, atEvents, 0, atResult)
	c.Expect(wasi.EINVAL, p1("poll_oneoff"), atData, atEvents, 1<<31, atResult)
	putSubs(c, 48, 16, []sub{{kind: 3}})
	c.Expect(wasi.EINVAL, p1("poll_oneoff"), atData, atEvents, 1, atResult)
}

func TestPollWaitsForClocks(t *testing.T) {
	c, s := caller(t, wasi.Options{})
	const wait = 30 * time.Millisecond
	mono, _ := s.Now(wasi.ClockMonotonic)
	for name, sub := range map[string]sub{
		"monotonic":          {clock: 1, timeout: uint64(wait)},
		"realtime":           {clock: 0, timeout: uint64(wait)},
		"absolute realtime":  {clock: 0, timeout: uint64(time.Now().Add(wait).UnixNano()), flags: 1},
		"absolute monotonic": {clock: 1, timeout: mono + uint64(wait), flags: 1},
	} {
		start := time.Now()
		if sub.flags != 0 {
			start = start.Add(-time.Minute) // the moment may have come before its turn
		}
		got := poll(t, c, sub, timer(1, 1e18))
		if len(got) != 1 || got[0].index != 0 || got[0].errno != 0 || time.Since(start) < wait {
			t.Errorf("%s: %+v after %v", name, got, time.Since(start))
		}
	}
	past := sub{clock: 0, timeout: 1, flags: 1}
	if got := poll(t, c, past, past, timer(1, 1e18)); len(got) != 2 {
		t.Errorf("moments in the past: %+v", got)
	}
	// Far beyond what the kernel's clocks count to: no overflow, the near one fires.
	if got := poll(t, c, timer(1, 1<<64-1), timer(0, 1)); len(got) != 1 || got[0].index != 1 {
		t.Errorf("with the longest timeout: %+v", got)
	}
}

func timer(clock uint32, timeout uint64) sub {
	return sub{kind: subClock, clock: clock, timeout: timeout}
}

func TestPollOfTheOlderSnapshot(t *testing.T) {
	c, _ := caller(t, wasi.Options{})
	putSubs(c, 56, 24, []sub{timer(1, 1e18), {kind: subWrite, fd: 1}, timer(1, 0)})
	c.Expect(wasi.ESUCCESS, unstable("poll_oneoff"), atData, atEvents, 3, atResult)
	if got := events(c, atEvents); len(got) != 2 || got[0].index != 1 || got[1].index != 2 {
		t.Errorf("events: %+v", got)
	}
}

func TestPollMayWriteOverItsSubscriptions(t *testing.T) {
	c, _ := caller(t, wasi.Options{})
	putSubs(c, 48, 16, []sub{{kind: subWrite, fd: 1}, {kind: subWrite, fd: 2}, {kind: subRead, fd: 0}})
	c.Expect(wasi.ESUCCESS, p1("poll_oneoff"), atData, atData, 3, atResult)
	got := events(c, atData)
	if len(got) != 3 || got[0].index != 0 || got[1].index != 1 || got[2].index != 2 {
		t.Errorf("events: %+v", got)
	}
}
