// SPDX-License-Identifier: Apache-2.0

package confine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// sources is where the files that mounts show come from: looked up in the host's
// tree, or, in a pod's user namespace, which has no rights there, handed in.
type sources struct {
	userns bool
	passed []*os.File
	label  string // of new file systems (SELinux), "" for what the kernel says
}

// next takes the next of the detached mounts that were handed in.
func (s *sources) next() (detached, error) {
	if len(s.passed) == 0 {
		return detached{}, spec.Failf(spec.Internal, "its descriptor is missing")
	}
	f := s.passed[0]
	s.passed = s.passed[1:]
	defer f.Close()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return detached{}, err
	}
	dir, err := isDir(fd)
	if err != nil {
		unix.Close(fd)
		return detached{}, err
	}
	return detached{fd, dir}, nil
}

// processes returns a procfs that shows this process. In a user namespace it is
// handed in: where parts of the host's are covered, none may be mounted.
func (s *sources) processes(rootless bool) (processes, error) {
	if !s.userns {
		return openProcesses(rootless)
	}
	d, err := s.next()
	if err != nil {
		return processes{}, fmt.Errorf("procfs: %w", err)
	}
	return processes{d, true}, nil
}

// bind returns a detached mount of what a bind mount shows.
func (s *sources) bind(m spec.Mount) (detached, error) {
	if s.userns {
		return s.next()
	}
	d, err := cloneBind(m.Source)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return detached{}, spec.Failf(spec.NotFound, "source %s does not exist", m.Source)
	}
	if err != nil {
		return detached{}, fmt.Errorf("source %s: %w", m.Source, err)
	}
	return d, nil
}

// module returns a detached mount of an artifact's module.
func (s *sources) module(f *os.File) (detached, error) {
	if !s.userns {
		return cloneFile(f)
	}
	d, err := s.next()
	if err != nil {
		return d, err
	}
	return d, d.freeze()
}

// tree mounts a file system of several parts at the staging place and returns how
// many mounts lie there.
func (s *sources) tree(mounts []spec.Mount) (int, error) {
	if len(mounts) == 0 {
		mounts = []spec.Mount{{Type: spec.MountTmpfs, Source: "root", Options: []string{"mode=755", "nosuid"}}}
	} else if s.userns {
		return 1, s.attach()
	}
	for i, m := range mounts {
		if err := mountLegacy(m, staging, s.label); err != nil {
			return i, fmt.Errorf("%s: %w", m.Type, err)
		}
	}
	return len(mounts), nil
}

// attach puts the next mount at the staging place.
func (s *sources) attach() error {
	d, err := s.next()
	if err != nil {
		return err
	}
	defer d.Close()
	place, err := unix.Open(staging, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(place)
	return d.attach(place)
}
