// SPDX-License-Identifier: Apache-2.0

package preview1_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/tetratelabs/wazero/sys"

	"github.com/wazelet/wazelet/runtime/wasi"
	"github.com/wazelet/wazelet/runtime/wasi/internal/wasitest"
)

func TestArgumentsAndEnvironment(t *testing.T) {
	c, _ := caller(t, wasi.Options{Args: []string{"prog", "", "x y"}, Env: []string{"A=1"}})
	for _, s := range []struct {
		sizes, get string
		count      uint32
		blob       string
	}{
		{"args_sizes_get", "args_get", 3, "prog\x00\x00x y\x00"},
		{"environ_sizes_get", "environ_get", 1, "A=1\x00"},
	} {
		c.Expect(wasi.ESUCCESS, p1(s.sizes), atResult, atResult2)
		if n, size := c.U32(atResult), c.U32(atResult2); n != s.count || size != uint32(len(s.blob)) {
			t.Fatalf("%s: %d strings of %d bytes", s.sizes, n, size)
		}
		c.Expect(wasi.ESUCCESS, p1(s.get), atStruct, atData)
		if got := string(c.Mem[atData : atData+len(s.blob)]); got != s.blob {
			t.Errorf("%s: %q, want %q", s.get, got, s.blob)
		}
		for i, rest := uint32(0), s.blob; i < s.count; i++ {
			if at := c.U32(uint64(atStruct + 4*i)); at != uint32(atData+len(s.blob)-len(rest)) {
				t.Errorf("%s: string %d at %#x", s.get, i, at)
			}
			rest = rest[bytes.IndexByte([]byte(rest), 0)+1:]
		}
		c.Expect(wasi.EFAULT, p1(s.get), outside, atData)
		c.Expect(wasi.EFAULT, p1(s.get), atStruct, wasitest.MemoryPages<<16-1)
	}
}

func TestClocks(t *testing.T) {
	c, _ := caller(t, wasi.Options{})
	now := func(id uint64) uint64 {
		t.Helper()
		c.Expect(wasi.ESUCCESS, p1("clock_time_get"), id, 1, atResult)
		return c.U64(atResult)
	}
	if got := time.Unix(0, int64(now(0))); time.Since(got).Abs() > time.Minute {
		t.Errorf("realtime: %v", got)
	}
	for id := range uint64(4) {
		if a, b := now(id), now(id); id != 0 && b < a {
			t.Errorf("clock %d ran backwards: %d, %d", id, a, b)
		}
		c.Expect(wasi.ESUCCESS, p1("clock_res_get"), id, atResult)
		if c.U64(atResult) == 0 {
			t.Errorf("clock %d: resolution 0", id)
		}
	}
	c.Expect(wasi.EINVAL, p1("clock_time_get"), 4, 0, atResult)
	c.Expect(wasi.EINVAL, p1("clock_res_get"), 4, atResult)
}

func TestRandomFillsTheWholeBuffer(t *testing.T) {
	c, _ := caller(t, wasi.Options{})
	c.Expect(wasi.ESUCCESS, p1("random_get"), atData, 4096)
	b := c.Mem[atData : atData+4096]
	if bytes.Equal(b[:2048], b[2048:]) || bytes.Contains(b, make([]byte, 16)) {
		t.Error("not random to the end")
	}
	if c.Mem[atData+4096] != 0 {
		t.Error("wrote past the buffer")
	}
	c.Expect(wasi.ESUCCESS, p1("random_get"), atData, 0)
	c.Expect(wasi.EFAULT, p1("random_get"), wasitest.MemoryPages<<16-10, 11)
}

func TestExitCodesAreKeptAsGiven(t *testing.T) {
	for _, s := range []struct {
		fn   string
		arg  uint64
		code uint32
	}{
		{"proc_exit", 0, 0}, {"proc_exit", 7, 7}, {"proc_exit", 1<<32 - 1, 1<<32 - 1},
		{"proc_raise", 6, 134}, {"proc_raise", 15, 143}, {"proc_raise", 30, 159},
	} {
		c, host := caller(t, wasi.Options{})
		_, err := c.Call(p1(s.fn), s.arg)
		var exit *sys.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != s.code {
			t.Errorf("%s(%d): %v, want exit code %d", s.fn, s.arg, err, s.code)
		}
		if code, ok := host.Exited(); !ok || code != s.code {
			t.Errorf("%s(%d): the system says %d, %v", s.fn, s.arg, code, ok)
		}
	}
	c, _ := caller(t, wasi.Options{})
	c.Expect(wasi.ESUCCESS, p1("proc_raise"), 0)
	c.Expect(wasi.ESUCCESS, p1("proc_raise"), 16)
	c.Expect(wasi.ENOTSUP, p1("proc_raise"), 18)
	c.Expect(wasi.EINVAL, p1("proc_raise"), 31)
	c.Expect(wasi.ESUCCESS, p1("sched_yield"))
}

// failingSink refuses everything after the first write.
type failingSink struct {
	got  []byte
	fail error
}

func (s *failingSink) Write(p []byte) (int, error) {
	if s.got != nil {
		return 0, s.fail
	}
	s.got = append([]byte{}, p...)
	return len(p), nil
}

func TestStandardStreams(t *testing.T) {
	var out bytes.Buffer
	failing := &failingSink{fail: wasi.ENOSPC}
	c, _ := caller(t, wasi.Options{Stdout: wasi.StdioSink(&out), Stderr: wasi.StdioSink(failing)})
	c.PutVectors(atIovs, [2]uint32{atData, 3}, [2]uint32{atData + 3, 4})
	c.Put(atData, []byte("one two"))
	c.Expect(wasi.ESUCCESS, p1("fd_write"), 1, atIovs, 2, atResult)
	if out.String() != "one two" || c.U32(atResult) != 7 {
		t.Errorf("stdout: %q, %d written", out.String(), c.U32(atResult))
	}
	c.Expect(wasi.ESUCCESS, p1("fd_write"), 2, atIovs, 2, atResult)
	if n := c.U32(atResult); n != 3 {
		t.Errorf("a sink that fails in the middle: %d written, want 3", n)
	}
	c.Expect(wasi.ENOSPC, p1("fd_write"), 2, atIovs, 2, atResult)
	if got := read(t, c, 0, 10); got != "" {
		t.Errorf("absent stdin: %q", got)
	}
	c.Expect(wasi.ENOTCAPABLE, p1("fd_seek"), 1, 0, 0, atResult)
	c.Expect(wasi.ENOTSOCK, p1("sock_shutdown"), 1, 1)
	c.Expect(wasi.ESUCCESS, p1("fd_filestat_get"), 1, atStruct)
	c.Expect(wasi.ESUCCESS, p1("fd_close"), 1)
	c.Expect(wasi.EBADF, p1("fd_write"), 1, atIovs, 2, atResult)
}
