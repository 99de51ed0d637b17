// SPDX-License-Identifier: Apache-2.0

package foreground

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/cmd/wazelet/daemon"
	"github.com/wazelet/wazelet/cmd/wazelet/images"
	"github.com/wazelet/wazelet/imageservice"
	"github.com/wazelet/wazelet/runtime/worker/control"
)

// DefaultStore is where a user's images and compiled modules are kept, by the
// XDG base directory specification.
func DefaultStore() (string, error) {
	if data := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(data) {
		return filepath.Join(data, "wazelet"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("no place for images: %w, and XDG_DATA_HOME is not set either", err)
	}
	return filepath.Join(home, ".local", "share", "wazelet"), nil
}

// store is the user's store, held alone: others wait until it is closed. It is
// held while a run is prepared, not while its guest runs.
type store struct {
	options Options
	lock    *daemon.Lock
	images  *imageservice.Service // nil until it is needed
}

func openStore(o Options) (*store, error) {
	if err := os.MkdirAll(o.Store, 0o700); err != nil {
		return nil, err
	}
	lock, err := daemon.Await(o.Store)
	if err != nil {
		return nil, err
	}
	return &store{options: o, lock: lock}, nil
}

// close gives the store to the next.
func (s *store) close() {
	if s.images != nil {
		_ = s.images.Close() // it has served: what it could not finish is taken back when it is opened next
	}
	_ = s.lock.Release()
}

// openImages opens the images of the store, and removes the roots of runs that
// were killed.
func (s *store) openImages(ctx context.Context) (*imageservice.Service, error) {
	o := images.Options(s.options.Store, s.options.Config.Image)
	o.Snapshotter = "" // what works without root
	images, err := imageservice.New(ctx, o)
	if err != nil {
		return nil, err
	}
	s.images = images
	roots, err := images.Roots(ctx)
	if err != nil {
		return nil, err
	}
	for _, id := range roots {
		if _, err := os.Stat(s.runDir(id)); errors.Is(err, os.ErrNotExist) {
			if err := images.RemoveRoot(ctx, id); err != nil {
				return nil, err
			}
		}
	}
	return images, nil
}

// removeRoot removes the root of a run that has ended.
func removeRoot(ctx context.Context, o Options, id string) error {
	s, err := openStore(o)
	if err != nil {
		return err
	}
	defer s.close()
	images, err := s.openImages(ctx)
	if err != nil {
		return err
	}
	return images.RemoveRoot(ctx, id)
}

func (s *store) runDir(id string) string { return filepath.Join(s.options.Store, "runs", id) }

// run is the directory of one run. Its process holds it; the kernel lets go of
// it when the process ends, however that happens.
type run struct {
	id  string
	dir *os.File
}

// newRun makes a directory for a run, after clearing away those of runs that
// were killed.
func (s *store) newRun() (*run, error) {
	if err := s.clearRuns(); err != nil {
		return nil, err
	}
	var raw [16]byte
	rand.Read(raw[:]) // never fails: crypto/rand crashes the program instead
	r := &run{id: hex.EncodeToString(raw[:])}
	if err := os.MkdirAll(s.runDir(r.id), 0o700); err != nil {
		return nil, err
	}
	var err error
	if r.dir, err = hold(s.runDir(r.id)); err != nil {
		return nil, err
	}
	return r, nil
}

// clearRuns removes the directories that nobody holds.
func (s *store) clearRuns() error {
	dirs, err := filepath.Glob(s.runDir("*"))
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		held, err := hold(dir)
		if errors.Is(err, unix.EWOULDBLOCK) {
			continue // it runs
		}
		if err != nil {
			return err
		}
		err = os.RemoveAll(dir)
		held.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// hold locks a directory; unix.EWOULDBLOCK when another process has it.
func hold(dir string) (*os.File, error) {
	file, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		file.Close()
		return nil, fmt.Errorf("%s: lock: %w", dir, err)
	}
	return file, nil
}

// remove removes the directory and lets go of it.
func (r *run) remove() error {
	defer r.dir.Close()
	return os.RemoveAll(r.dir.Name())
}

// at is the path of a file of the directory.
func (r *run) at(name string) string { return filepath.Join(r.dir.Name(), name) }

// runFiles are what a worker is born with; its own copies live on when these
// are closed.
type runFiles struct {
	exit    *os.File
	control *net.UnixListener
}

func (f runFiles) close() {
	f.exit.Close()
	f.control.Close()
}

const (
	exitFile    = "exit.json"
	controlFile = "control.sock"
)

// open makes the files of a run.
func (r *run) open() (f runFiles, err error) {
	if f.exit, err = os.OpenFile(r.at(exitFile), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600); err != nil {
		return f, err
	}
	if f.control, err = control.Listen(r.at(controlFile)); err != nil {
		f.exit.Close()
	}
	return f, err
}
