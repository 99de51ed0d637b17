// SPDX-License-Identifier: Apache-2.0

package lsm

import (
	"errors"
	"fmt"
	goruntime "runtime"

	"github.com/containerd/errdefs"
	"github.com/opencontainers/selinux/go-selinux"
	"github.com/opencontainers/selinux/go-selinux/label"
	"golang.org/x/sys/unix"
)

// SELinux is the SELinux context that a pod asks for, in its parts. What it leaves
// out is the node's default for containers.
type SELinux struct{ User, Role, Type, Level string }

// Labels are the SELinux labels of a container, "" for none.
type Labels struct {
	Process string `json:"process,omitempty"` // of its processes
	Mount   string `json:"mount,omitempty"`   // of its files
}

// Labels puts the labels together, and says why a container cannot have them: the
// node has no SELinux, no defaults for containers, or a policy without such
// labels. A level must be among what is asked for: it is what keeps pods apart,
// and two containers of a pod must agree on it.
func (s SELinux) Labels() (Labels, error) {
	if !selinux.GetEnabled() {
		return Labels{}, fmt.Errorf("this node has no SELinux: %w", errdefs.ErrFailedPrecondition)
	}
	if s.Level == "" {
		return Labels{}, fmt.Errorf("SELinux options need a level, such as s0:c123,c456: %w", errdefs.ErrInvalidArgument)
	}
	var options []string
	for _, part := range []struct{ key, value string }{{"user", s.User}, {"role", s.Role}, {"type", s.Type}, {"level", s.Level}} {
		if part.value != "" {
			options = append(options, part.key+":"+part.value)
		}
	}
	process, mount, err := label.InitLabels(options)
	if err != nil {
		return Labels{}, fmt.Errorf("SELinux options: %w: %w", err, errdefs.ErrInvalidArgument)
	}
	if process == "" || mount == "" {
		return Labels{}, fmt.Errorf("SELinux: the node's policy has no labels for containers (contexts/lxc_contexts): %w", errdefs.ErrFailedPrecondition)
	}
	for _, l := range []string{process, mount} {
		if err := selinux.SecurityCheckContext(l); err != nil {
			return Labels{}, fmt.Errorf("SELinux label %s: not in the node's policy: %w: %w", l, err, errdefs.ErrFailedPrecondition)
		}
	}
	return Labels{Process: process, Mount: mount}, nil
}

// SetFile gives one file the container's label.
func (l Labels) SetFile(path string) error {
	return labelError(path, l.Mount, label.SetFileLabel(path, l.Mount))
}

// Relabel gives a file, or a folder and all below it, the container's label. System
// folders are refused.
func (l Labels) Relabel(path string) error {
	return labelError(path, l.Mount, label.Relabel(path, l.Mount, false))
}

// labelError passes over file systems without labels: the policy says what files of
// theirs are.
func labelError(path, label string, err error) error {
	if err == nil || errors.Is(err, unix.ENOTSUP) {
		return nil
	}
	return fmt.Errorf("SELinux label %s: %s: %w", label, path, err)
}

// WithSocketLabel runs fn, which makes sockets, so that they have a process's label;
// "" is the daemon's own.
func WithSocketLabel(label string, fn func() error) error {
	if label == "" {
		return fn()
	}
	goruntime.LockOSThread()
	defer goruntime.UnlockOSThread()
	if err := selinux.SetSocketLabel(label); err != nil {
		return fmt.Errorf("SELinux label %s: %w", label, err)
	}
	return errors.Join(fn(), selinux.SetSocketLabel(""))
}
