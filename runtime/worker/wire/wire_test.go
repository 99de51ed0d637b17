// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// pair returns two ends of a connected stream socket.
func pair(t testing.TB) (a, b *net.UnixConn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	conns := make([]*net.UnixConn, 2)
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "socketpair")
		c, err := net.FileConn(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		conns[i] = c.(*net.UnixConn)
		t.Cleanup(func() { c.Close() })
	}
	return conns[0], conns[1]
}

func TestRoundTrip(t *testing.T) {
	a, b := pair(t)
	want := spec.Container{ID: "c1", Args: []string{"/x.wasm", "<&>"}, UID: 65534}
	go func() { _ = Send(a, want) }()
	var got spec.Container
	files, err := Receive(b, &got)
	if err != nil || len(files) != 0 {
		t.Fatalf("files %d, error %v", len(files), err)
	}
	if got.ID != want.ID || got.Args[1] != want.Args[1] || got.UID != want.UID {
		t.Fatalf("got %+v", got)
	}
}

func TestFilesTravelWithTheirFrame(t *testing.T) {
	a, b := pair(t)
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("hello"); err != nil {
		t.Fatal(err)
	}
	// A body far beyond the socket's buffer must not part from its files, nor
	// lend them to the next frame.
	big := spec.Resolved{Path: strings.Repeat("p", 4<<20)}
	sent := make(chan error, 1)
	go func() { sent <- errors.Join(Send(a, big, f), Send(a, spec.Ready{})) }()

	var got spec.Resolved
	files, err := Receive(b, &got)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 1 || len(got.Path) != 4<<20 {
		t.Fatalf("%d files, path of %d bytes", len(files), len(got.Path))
	}
	defer files[0].Close()
	text := make([]byte, 5)
	if _, err := files[0].ReadAt(text, 0); err != nil || string(text) != "hello" {
		t.Fatalf("read %q, %v", text, err)
	}
	flags, err := unix.FcntlInt(files[0].Fd(), unix.F_GETFD, 0)
	if err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Fatalf("descriptor flags %#x, %v: want close-on-exec", flags, err)
	}
	if files, err := Receive(b, &spec.Ready{}); err != nil || len(files) != 0 {
		t.Fatalf("next frame: %d files, %v", len(files), err)
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
}

func TestFailureStandsInForAnyMessage(t *testing.T) {
	a, b := pair(t)
	if err := Send(a, spec.Failf(spec.NotFound, "mount /data: source /x does not exist")); err != nil {
		t.Fatal(err)
	}
	_, err := Receive(b, &spec.Resolved{})
	failure, ok := errors.AsType[*spec.Failure](err)
	if !ok || failure.Class != spec.NotFound || failure.Error() != "mount /data: source /x does not exist" {
		t.Fatalf("got %v", err)
	}
}

func TestWrongMessageIsNamed(t *testing.T) {
	a, b := pair(t)
	if err := Send(a, spec.Ready{}); err != nil {
		t.Fatal(err)
	}
	_, err := Receive(b, &spec.Resolved{})
	if err == nil || err.Error() != `receive Resolved: the peer sent "Ready"` {
		t.Fatalf("got %v", err)
	}
}

func TestStreamEnds(t *testing.T) {
	for name, c := range map[string]struct {
		bytes []byte
		want  error
	}{
		"between frames": {nil, io.EOF},
		"in the header":  {[]byte{0, 0}, io.ErrUnexpectedEOF},
		"in the body":    {[]byte{0, 0, 0, 9, '{'}, io.ErrUnexpectedEOF},
		"too large":      {[]byte{0xff, 0xff, 0xff, 0xff}, ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := pair(t)
			if _, err := a.Write(c.bytes); err != nil {
				t.Fatal(err)
			}
			a.Close()
			if _, err := Receive(b, &spec.Ready{}); !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestSendRefusesWhatTheReaderWould(t *testing.T) {
	a, _ := pair(t)
	if err := Send(a, spec.Resolved{Path: strings.Repeat("p", MaxFrame)}); !errors.Is(err, ErrTooLarge) {
		t.Fatalf("got %v", err)
	}
	files := make([]*os.File, MaxFiles+1)
	for i := range files {
		files[i] = os.Stdin
	}
	if err := Send(a, spec.Ready{}, files...); err == nil {
		t.Fatal("too many descriptors were sent")
	}
}

// TestSurplusDescriptorsAreClosed plays a peer that sends more descriptors
// than a frame may carry.
func TestSurplusDescriptorsAreClosed(t *testing.T) {
	a, b := pair(t)
	before := openFiles(t)
	fds := make([]int, MaxFiles+4)
	if _, _, err := a.WriteMsgUnix([]byte{0, 0, 0, 2}, unix.UnixRights(fds...), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := Receive(b, &spec.Ready{}); err == nil {
		t.Fatal("surplus descriptors were taken")
	}
	if after := openFiles(t); after != before {
		t.Fatalf("%d descriptors open, %d before", after, before)
	}
}

func openFiles(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// FuzzReceive feeds a reader foreign bytes: it must return, bounded, and leak
// no descriptor.
func FuzzReceive(f *testing.F) {
	frame, err := encode(spec.Resolved{Path: "/x"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(frame)
	f.Add(frame[:7])
	f.Add([]byte{})
	f.Add(append([]byte{0, 0, 0, 40}, `{"type":"Failure","body":{"Class":3}}   `...))
	f.Add([]byte{0, 0, 0, 4, 'n', 'u', 'l', 'l'})
	f.Fuzz(func(t *testing.T, data []byte) {
		a, b := pair(t)
		go func() {
			defer a.Close()
			_, _ = a.Write(data)
		}()
		var msg spec.Resolved
		files, err := Receive(b, &msg)
		if len(files) != 0 {
			t.Fatalf("%d files out of plain bytes", len(files))
		}
		if err == nil && (len(data) < headerLen || int(binary.BigEndian.Uint32(data)) > len(data)-headerLen) {
			t.Fatal("a short frame was accepted")
		}
	})
}
