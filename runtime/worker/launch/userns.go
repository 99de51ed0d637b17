// SPDX-License-Identifier: Apache-2.0

package launch

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/worker/spec"
	"github.com/wazelet/wazelet/runtime/worker/wire"
)

// UserNS is the user namespace a worker is born in. Each worker of a pod has one
// of its own with the pod's mapping: a process of many threads, as this one is,
// cannot enter another's (setns(2)).
type UserNS struct {
	UIDs, GIDs []IDMap // the ids 0 are among them
}

// IDMap maps a range of a container's ids to the host's.
type IDMap struct{ Container, Host, Size uint32 }

// hostRoot is whom the namespace's root is on the host.
func (u *UserNS) hostRoot() (uid, gid uint32) {
	find := func(list []IDMap) uint32 {
		for _, m := range list {
			if m.Container == 0 {
				return m.Host
			}
		}
		return 0
	}
	return find(u.UIDs), find(u.GIDs)
}

// apply makes the child's birth one into the namespace, as its root. With late
// the mapping is left to write, because the thread it is born on sees no procfs;
// until then the child is nobody there, and keeps what it needs to become somebody.
func (u *UserNS) apply(attr *syscall.SysProcAttr, late bool) {
	attr.Cloneflags |= unix.CLONE_NEWUSER
	if late {
		attr.AmbientCaps = []uintptr{unix.CAP_SETUID, unix.CAP_SETGID, unix.CAP_SETPCAP, unix.CAP_SYS_CHROOT}
		return
	}
	convert := func(list []IDMap) (maps []syscall.SysProcIDMap) {
		for _, m := range list {
			maps = append(maps, syscall.SysProcIDMap{ContainerID: int(m.Container), HostID: int(m.Host), Size: int(m.Size)})
		}
		return maps
	}
	attr.UidMappings, attr.GidMappings = convert(u.UIDs), convert(u.GIDs)
	attr.GidMappingsEnableSetgroups = true
	attr.Credential = &syscall.Credential{}
}

// write gives the process in a new user namespace its mapping (user_namespaces(7)).
func (u *UserNS) write(pid int) error {
	for name, list := range map[string][]IDMap{"uid_map": u.UIDs, "gid_map": u.GIDs} {
		var text strings.Builder
		for _, m := range list {
			fmt.Fprintf(&text, "%d %d %d\n", m.Container, m.Host, m.Size)
		}
		if err := os.WriteFile(fmt.Sprintf("/proc/%d/%s", pid, name), []byte(text.String()), 0); err != nil {
			return fmt.Errorf("user namespace: %w", err)
		}
	}
	return nil
}

// openProcfs returns a detached procfs that shows processes and nothing else: those
// of the pid namespace of process pid where the kernel can (Linux 6.18), or of this
// process's. In either a process finds itself.
func openProcfs(pid int) (*os.File, error) {
	f, err := newProcfs(fmt.Sprintf("/proc/%d/ns/pid", pid))
	if errors.Is(err, unix.EINVAL) { // no such option
		f, err = newProcfs("")
	}
	if err != nil {
		return nil, fmt.Errorf("procfs: %w", err)
	}
	return f, nil
}

func newProcfs(pidns string) (*os.File, error) {
	context, err := unix.Fsopen("proc", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, err
	}
	defer unix.Close(context)
	if pidns != "" {
		if err := unix.FsconfigSetString(context, "pidns", pidns); err != nil {
			return nil, err
		}
	}
	if err := unix.FsconfigSetString(context, "subset", "pid"); err != nil {
		return nil, err
	}
	if err := unix.FsconfigCreate(context); err != nil {
		return nil, err
	}
	fd, err := unix.Fsmount(context, unix.FSMOUNT_CLOEXEC,
		unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "procfs"), nil
}

// sendSources opens what the container's mounts show and sends it to the worker
// of process pid, in the order of spec.Sources.
func (o *Options) sendSources(conn *net.UnixConn, pid int) (err error) {
	userns, err := os.Open(fmt.Sprintf("/proc/%d/ns/user", pid))
	if err != nil {
		return fmt.Errorf("user namespace: %w", err)
	}
	defer userns.Close()
	procfs, err := openProcfs(pid)
	if err != nil {
		return err
	}
	files, err := o.sources(userns)
	files = append([]*os.File{procfs}, files...)
	defer func() { closeAll(files) }()
	if err != nil {
		return err
	}
	for len(files) > 0 {
		n := min(len(files), wire.MaxFiles)
		if err := wire.Send(conn, spec.Sources{}, files[:n]...); err != nil {
			return err
		}
		closeAll(files[:n])
		files = files[n:]
	}
	return nil
}

// sources are detached mounts: a worker without rights on the host could not
// look up the paths, nor map ids.
func (o *Options) sources(userns *os.File) (files []*os.File, err error) {
	add := func(what string, f *os.File, err error) error {
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		files = append(files, f)
		return nil
	}
	if o.Spec.Module != nil {
		f, err := cloneTree(int(o.Module.Fd()), "", unix.AT_EMPTY_PATH)
		if err := add("module", f, err); err != nil {
			return files, err
		}
	}
	for _, m := range o.Spec.Mounts {
		var f *os.File
		switch m.Type {
		case spec.MountBind:
			f, err = bindSource(m, userns)
		case spec.MountImage:
			f, err = mappedFiles(m.Files, userns, o.UserNS)
		default:
			continue
		}
		if err := add("mount "+m.Destination, f, err); err != nil {
			return files, err
		}
	}
	if len(o.Spec.Root) > 0 {
		f, err := mappedFiles(o.Spec.Root, userns, o.UserNS)
		return files, add("root file system", f, err)
	}
	return files, nil
}

// bindSource opens the source of a bind mount, with its ids mapped if that is
// asked for. What is mounted below it keeps its own ids, as with other runtimes.
func bindSource(m spec.Mount, userns *os.File) (*os.File, error) {
	f, err := cloneTree(unix.AT_FDCWD, m.Source, unix.AT_RECURSIVE)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return nil, fmt.Errorf("source %s does not exist: %w", m.Source, errdefs.ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("source %s: %w", m.Source, err)
	}
	if m.MapIDs {
		if err := mapIDs(f, userns); err != nil {
			f.Close()
			return nil, fmt.Errorf("source %s: %w", m.Source, err)
		}
	}
	return f, nil
}

func cloneTree(dir int, path string, flags uint) (*os.File, error) {
	fd, err := unix.OpenTree(dir, path, flags|unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}

// mapIDs has files of the host's ids appear with those of the user namespace.
func mapIDs(tree, userns *os.File) error {
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(userns.Fd())}
	err := unix.MountSetattr(int(tree.Fd()), "", unix.AT_EMPTY_PATH, &attr)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EPERM) {
		return fmt.Errorf("its file system cannot map ids, which hostUsers: false needs: %w: %w", err, errdefs.ErrFailedPrecondition)
	}
	if err != nil {
		return fmt.Errorf("map ids: %w", err)
	}
	return nil
}
