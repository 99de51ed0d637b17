// SPDX-License-Identifier: Apache-2.0

package launch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// mappedFiles returns a detached mount of a file tree as the snapshotter gives
// it, with the ids of its files mapped to those of the user namespace: what is
// on disk belongs to the host's root and is the container's root's inside, and
// what the container writes is written down the same way.
func mappedFiles(mounts []spec.Mount, userns *os.File, ids *UserNS) (*os.File, error) {
	if len(mounts) != 1 {
		return nil, fmt.Errorf("%d mounts on one another cannot map ids: %w", len(mounts), errdefs.ErrFailedPrecondition)
	}
	m := mounts[0]
	if m.Type == "overlay" {
		return mappedOverlay(m, userns, ids)
	}
	if m.Type != spec.MountBind {
		return nil, fmt.Errorf("file system %s: cannot map ids: %w", m.Type, errdefs.ErrFailedPrecondition)
	}
	f, err := bindSource(spec.Mount{Source: m.Source, MapIDs: true}, userns)
	if err != nil {
		return nil, err
	}
	attr := unix.MountAttr{Propagation: unix.MS_PRIVATE} // no root may be shared (pivot_root(2))
	if slices.Contains(m.Options, "ro") {
		attr.Attr_set = unix.MOUNT_ATTR_RDONLY
	}
	if err := unix.MountSetattr(int(f.Fd()), "", unix.AT_EMPTY_PATH, &attr); err != nil {
		f.Close()
		return nil, fmt.Errorf("source %s: %w", m.Source, err)
	}
	return f, nil
}

// layers are the directories of an overlay: the lower ones, and the one that
// holds the upper and the work directory.
type layers struct {
	lower       []string
	upper, work string // "" for an overlay that is only read
	others      []string
}

func overlayLayers(options []string) (layers, error) {
	var l layers
	for _, o := range options {
		key, value, _ := strings.Cut(o, "=")
		switch key {
		case "lowerdir":
			l.lower = strings.Split(value, ":")
		case "upperdir":
			l.upper = value
		case "workdir":
			l.work = value
		default:
			l.others = append(l.others, o)
		}
	}
	if len(l.lower) == 0 || filepath.Dir(l.upper) != filepath.Dir(l.work) {
		return l, fmt.Errorf("overlay %q: cannot map ids: %w", options, errdefs.ErrFailedPrecondition)
	}
	return l, nil
}

// mountable takes the mark away by which the kernel knows an overlay that was mounted
// "volatile" and may have lost what was written to it: here by a worker that was not to
// be, in this life of the kernel's (overlayfs.rst, "Volatile mount").
func mountable(mounts []spec.Mount) error {
	for _, m := range mounts {
		l, err := overlayLayers(m.Options)
		if err != nil || l.work == "" {
			continue
		}
		if err := os.RemoveAll(filepath.Join(l.work, "work/incompat/volatile")); err != nil {
			return fmt.Errorf("root file system: %w", err)
		}
	}
	return nil
}

// mappedOverlay mounts an overlay over mapped layers. The overlay must be the
// host's root's, or it would not honour the marks that layers carry; and it
// takes layers by their paths. So it is made in a mount namespace that exists
// for this, on a thread that is thrown away, and nothing can be left behind.
func mappedOverlay(m spec.Mount, userns *os.File, ids *UserNS) (*os.File, error) {
	l, err := overlayLayers(m.Options)
	if err != nil {
		return nil, err
	}
	type result struct {
		tree *os.File
		err  error
	}
	done := make(chan result)
	go func() {
		goruntime.LockOSThread() // never unlocked: the thread ends with the goroutine
		tree, err := l.mount(userns, ids)
		done <- result{tree, err}
	}()
	r := <-done
	return r.tree, r.err
}

// mount makes the overlay in a new mount namespace of the calling thread.
func (l *layers) mount(userns *os.File, ids *UserNS) (*os.File, error) {
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		return nil, fmt.Errorf("mount namespace: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
		return nil, fmt.Errorf("mount propagation: %w", err)
	}
	places := map[string]string{} // where a directory is mounted, below the staging place
	for i, dir := range l.lower {
		places[strconv.Itoa(i)] = dir
	}
	if l.upper != "" {
		places["upper"] = filepath.Dir(l.upper)
	}
	trees := map[string]*os.File{}
	defer func() {
		for _, f := range trees {
			f.Close()
		}
	}()
	for place, dir := range places {
		f, err := bindSource(spec.Mount{Source: dir, MapIDs: true}, userns)
		if err != nil {
			return nil, err
		}
		trees[place] = f
	}
	// Every machine has a /proc; nothing in it is needed any more here.
	const staging = "/proc"
	if err := unix.Mount("layers", staging, "tmpfs", 0, "mode=700,size=1m"); err != nil {
		return nil, fmt.Errorf("staging place: %w", err)
	}
	if err := unix.Chdir(staging); err != nil {
		return nil, fmt.Errorf("staging place: %w", err)
	}
	for place, f := range trees {
		if err := unix.Mkdir(place, 0o700); err != nil {
			return nil, fmt.Errorf("staging place: %w", err)
		}
		if err := unix.MoveMount(int(f.Fd()), "", unix.AT_FDCWD, place, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
			return nil, fmt.Errorf("layer %s: %w", places[place], err)
		}
	}
	if err := actAs(ids.hostRoot()); err != nil {
		return nil, err
	}
	return l.mountHere()
}

// actAs has the calling thread make files as that user, with all its rights: an
// overlay makes some as who mounted it, and the host's root has no id in the
// mapped upper layer.
func actAs(uid, gid uint32) error {
	if err := errors.Join(unix.Setfsgid(int(gid)), unix.Setfsuid(int(uid))); err != nil {
		return fmt.Errorf("container's root: %w", err)
	}
	// Leaving user 0 has taken the rights over files out of force (setfsuid(2)).
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return err
	}
	for i := range data {
		data[i].Effective = data[i].Permitted
	}
	return unix.Capset(&header, &data[0])
}

// mountHere mounts the overlay of what lies in the working directory.
func (l *layers) mountHere() (*os.File, error) {
	names := make([]string, len(l.lower))
	for i := range l.lower {
		names[i] = strconv.Itoa(i)
	}
	var flags uintptr
	options := []string{"lowerdir=" + strings.Join(names, ":")}
	if l.upper != "" {
		options = append(options, "upperdir=upper/"+filepath.Base(l.upper), "workdir=upper/"+filepath.Base(l.work))
	}
	for _, o := range l.others {
		if o == "ro" {
			flags |= unix.MS_RDONLY
			continue
		}
		options = append(options, o)
	}
	const place = "overlay"
	if err := unix.Mkdir(place, 0o700); err != nil {
		return nil, fmt.Errorf("staging place: %w", err)
	}
	if err := unix.Mount("overlay", place, "overlay", flags, strings.Join(options, ",")); err != nil {
		return nil, fmt.Errorf("overlay over mapped layers, which needs Linux 5.19: %w: %w", err, errdefs.ErrFailedPrecondition)
	}
	return cloneTree(unix.AT_FDCWD, place, 0)
}
