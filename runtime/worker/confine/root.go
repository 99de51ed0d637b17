// SPDX-License-Identifier: Apache-2.0

package confine

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// staging is where the root is put together before it becomes the root. The
// mount namespace is the worker's own, so any directory that every machine has
// will do, and this is one that no mount's source is looked for in afterwards:
// all sources are opened before it is covered.
const staging = "/proc"

// prepared is a mount that waits for its place.
type prepared struct {
	detached
	name string
}

// enterContainerRoot builds the root of c and makes it the process's root.
func enterContainerRoot(c *spec.Container, module *os.File, s *sources, p processes) error {
	if err := shutPropagation(c.Mounts); err != nil {
		return err
	}
	all, err := prepareAll(c, module, s, p)
	if err != nil {
		return err
	}
	defer all.Close()
	root, _, err := mountRoot(c.Root, s)
	if err != nil {
		return fmt.Errorf("root file system: %w", err)
	}
	defer unix.Close(root.fd)
	if err := all.attach(root); err != nil {
		return err
	}
	if err := finishRoot(root, c); err != nil {
		return err
	}
	return pivot(root)
}

// shutPropagation stops mounts from travelling back to the host, and from the
// host to here unless one of the container's mounts wants them.
func shutPropagation(mounts []spec.Mount) error {
	how := uintptr(unix.MS_PRIVATE)
	for _, m := range mounts {
		if m.Propagation == spec.PropagationSlave {
			how = unix.MS_SLAVE
		}
	}
	if err := unix.Mount("", "/", "", how|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("mount propagation: %w", err)
	}
	return nil
}

// mounts are all of a container's but its root, the runtime's own first: the
// container's may cover them.
type mounts struct {
	system []*systemTree
	own    []prepared
}

func (m *mounts) Close() {
	for _, t := range m.system {
		t.Close()
	}
	for _, o := range m.own {
		o.Close()
	}
}

func (m *mounts) attach(root tree) error {
	for _, t := range m.system {
		if err := t.attach(root); err != nil {
			return err
		}
	}
	for _, o := range m.own {
		if err := o.attachAt(root, o.name); err != nil {
			return fmt.Errorf("mount %s: %w", o.name, err)
		}
	}
	return nil
}

// prepareAll opens every mount of c while the host's paths can still be seen.
func prepareAll(c *spec.Container, module *os.File, s *sources, p processes) (_ *mounts, err error) {
	all := &mounts{}
	defer func() {
		if err != nil {
			all.Close()
		}
	}()
	proc, err := newProc(c)
	if err != nil {
		return nil, err
	}
	all.system = append(all.system, proc)
	dev, err := newDev(c)
	if err != nil {
		return nil, err
	}
	all.system = append(all.system, dev)
	if err := all.prepareOwn(c, module, s); err != nil {
		return nil, err
	}
	return all, proc.addSelf(p) // hides the host's /proc
}

func (m *mounts) prepareOwn(c *spec.Container, module *os.File, s *sources) error {
	if c.Module != nil {
		d, err := s.module(module)
		if err != nil {
			return fmt.Errorf("module %s: %w", c.Module.Name, err)
		}
		m.own = append(m.own, prepared{d, c.Module.Path()})
	}
	for _, mount := range c.Mounts {
		name := path.Clean("/" + mount.Destination)
		if name == "/" {
			return spec.Failf(spec.Invalid, "mount /: a mount cannot replace the root")
		}
		d, err := prepareMount(mount, s)
		if err != nil {
			return fmt.Errorf("mount %s: %w", name, err)
		}
		m.own = append(m.own, prepared{d, name})
	}
	return nil
}

// mountRoot mounts the root file system at the staging place and returns it, and
// how many mounts it is.
// Snapshotters speak mount(2)'s language, so mount(2) it is; fsconfig(2) would
// also cut an overlay's layers off at 256 bytes.
func mountRoot(mounts []spec.Mount, s *sources) (tree, int, error) {
	n, err := s.tree(mounts)
	if err != nil {
		return tree{}, n, err
	}
	fd, err := unix.Open(staging, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	return tree{fd}, n, err
}

// finishRoot makes what must come after the mounts: the working directory,
// and the walls that keep the guest from writing or seeing.
func finishRoot(root tree, c *spec.Container) error {
	if c.Cwd != "" {
		fd, err := root.ensure(c.Cwd, true)
		if errors.Is(err, unix.ENOTDIR) {
			err = spec.Failf(spec.Invalid, "not a directory")
		}
		if err != nil {
			return fmt.Errorf("working directory %s: %w", c.Cwd, err)
		}
		unix.Close(fd)
	}
	for _, name := range c.ReadonlyPaths {
		if err := root.protect(name); err != nil {
			return fmt.Errorf("read-only path %s: %w", name, err)
		}
	}
	for _, name := range c.MaskedPaths {
		if err := root.mask(name); err != nil {
			return fmt.Errorf("masked path %s: %w", name, err)
		}
	}
	if err := root.sealSystem(); err != nil {
		return err
	}
	if c.ReadOnlyRoot {
		attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
		if err := unix.MountSetattr(root.fd, "", unix.AT_EMPTY_PATH, &attr); err != nil {
			return fmt.Errorf("read-only root: %w", err)
		}
	}
	return nil
}

// pivot makes root the root of every thread and lets go of the old one.
func pivot(root tree) error {
	if err := unix.Fchdir(root.fd); err != nil {
		return err
	}
	// The old root ends up stacked on the new one, and is what "." means
	// until it is gone (pivot_root(2), "pivot_root(".", ".")").
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot_root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("detach the old root: %w", err)
	}
	return unix.Chdir("/")
}

// mountLegacy makes one mount as mount(8) would, from the list that
// containerd's snapshotters give.
func mountLegacy(m spec.Mount, target, label string) error {
	o := parseOptions(m.Options)
	if label != "" && o.legacy&unix.MS_BIND == 0 {
		o.data = append(o.data, `context="`+label+`"`) // it may have commas
	}
	if m.ReadOnly {
		o.legacy |= unix.MS_RDONLY
	}
	data := func() string { return strings.Join(o.data, ",") }
	if dir := o.shorten(unix.Getpagesize() - 1); dir != "" {
		// Nothing after this resolves a relative path, so there is no way back.
		if err := unix.Chdir(dir); err != nil {
			return err
		}
	}
	if o.legacy&unix.MS_BIND == 0 {
		return unix.Mount(m.Source, target, m.Type, o.legacy, data())
	}
	if err := unix.Mount(m.Source, target, "", o.legacy&(unix.MS_BIND|unix.MS_REC), ""); err != nil {
		return fmt.Errorf("source %s: %w", m.Source, err)
	}
	attr := o.attributes()
	return unix.MountSetattr(unix.AT_FDCWD, target, 0, &attr)
}
