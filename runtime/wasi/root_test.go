// SPDX-License-Identifier: Apache-2.0

package wasi_test

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/wasi"
	"github.com/wazelet/wazelet/runtime/wasi/internal/wasitest"
)

func TestWithoutOpenat2OnlyTheProcessRootServes(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/file", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	wasitest.InRoot(t, dir, func() {
		fd, err := unix.Open("/", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = unix.Close(fd) }()
		s := wasitest.New(t, wasi.Options{Preopens: []wasi.Preopen{{Path: "/", FD: fd}}})
		s.WithoutOpenat2()
		root := acquire(t, s, 3)
		for path, want := range map[string]wasi.Errno{
			"file": wasi.ESUCCESS, "link": wasi.ESUCCESS, "none": wasi.ENOENT, "../file": wasi.EPERM,
			"proc/self/mem": wasi.EACCES,
		} {
			d, errno := root.Open(path, true, 0, wasi.RightFDRead, 0, 0)
			if errno != want {
				t.Errorf("%s: %v, want %v", path, errno, want)
			}
			if errno == wasi.ESUCCESS {
				d.Release()
			}
		}
	})
}

// TestDescriptorsOutliveTheirNumber closes a number while another thread uses the descriptor.
func TestDescriptorsOutliveTheirNumber(t *testing.T) {
	r, w := wasitest.Pipe(t)
	s := wasitest.New(t, wasi.Options{Stdin: wasi.StdioFD(r)})
	d := acquire(t, s, 0)
	done := make(chan wasi.Errno)
	buf := make([]byte, 1)
	go func() {
		v := vectors(t, buf)
		defer v.Release()
		_, errno := d.Read(v)
		done <- errno
	}()
	wasitest.AwaitSleep(t, s)
	if errno := s.CloseFD(0); errno != wasi.ESUCCESS {
		t.Fatal(errno)
	}
	if _, errno := s.Acquire(0); errno != wasi.EBADF {
		t.Errorf("the number is still taken: %v", errno)
	}
	if _, err := unix.Write(w, []byte("!")); err != nil {
		t.Fatal(err)
	}
	if errno := <-done; errno != wasi.ESUCCESS || buf[0] != '!' {
		t.Errorf("read %q, %v", buf, errno)
	}
}

func TestManyThreadsShareATable(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "f"), []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := wasitest.New(t, wasi.Options{Preopens: wasitest.Dir(t, dir)})
	var threads sync.WaitGroup
	for range 8 {
		threads.Go(func() {
			for range 200 {
				if err := openReadClose(s); err != wasi.ESUCCESS {
					t.Error(err)
					return
				}
			}
		})
	}
	threads.Wait()
}

func openReadClose(s *wasi.System) wasi.Errno {
	root, errno := s.Acquire(3)
	if errno != wasi.ESUCCESS {
		return errno
	}
	defer root.Release()
	d, errno := root.Open("f", false, 0, wasi.RightFDRead, 0, 0)
	if errno != wasi.ESUCCESS {
		return errno
	}
	fd, errno := s.Insert(d)
	if errno != wasi.ESUCCESS {
		return errno
	}
	v := wasi.NewVectors()
	defer v.Release()
	if errno := v.Add(make([]byte, 7)); errno != wasi.ESUCCESS {
		return errno
	}
	if n, errno := d.Read(v); n != 7 || errno != wasi.ESUCCESS {
		return wasi.EIO
	}
	return s.CloseFD(fd)
}
