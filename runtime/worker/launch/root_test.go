// SPDX-License-Identifier: Apache-2.0

package launch_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/worker/launch"
	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// files makes a directory tree: a name that ends in a slash is a directory, a
// value that begins with "->" a symbolic link, any other a file.
func files(t testing.TB, tree map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range tree {
		at := filepath.Join(dir, name)
		err := os.MkdirAll(filepath.Dir(at), 0o755)
		link, isLink := strings.CutPrefix(content, "->")
		switch {
		case err != nil:
		case strings.HasSuffix(name, "/"):
			err = os.MkdirAll(at, 0o755)
		case isLink:
			err = os.Symlink(link, at)
		default:
			err = os.WriteFile(at, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// overlay makes dir the lower layer of c's root and returns the upper one.
func (c *container) overlay(lower ...string) (upper string) {
	c.t.Helper()
	upper, work := c.path("upper"), c.path("work")
	if err := errors.Join(os.Mkdir(upper, 0o755), os.Mkdir(work, 0o755)); err != nil {
		c.t.Fatal(err)
	}
	c.options.Spec.Root = []spec.Mount{{Type: "overlay", Source: "overlay", Options: []string{
		"workdir=" + work, "upperdir=" + upper, "lowerdir=" + strings.Join(lower, ":"),
	}}}
	return upper
}

func (c *container) mount(m spec.Mount) {
	c.options.Spec.Mounts = append(c.options.Spec.Mounts, m)
}

func bind(source, destination string) spec.Mount {
	return spec.Mount{Type: spec.MountBind, Source: source, Destination: destination}
}

func TestOverlayRoot(t *testing.T) {
	c := define(t, guestPath, "cat,/etc/motd", "write,/etc/motd,changed", "cat,/etc/motd", "write,/new,x", "rename,/new,/etc/moved", "ls,/etc")
	lower := files(t, map[string]string{"etc/motd": "original"})
	upper := c.overlay(lower)
	c.output("cat,/etc/motd: original", "write,/etc/motd,changed: ok", "cat,/etc/motd: changed",
		"write,/new,x: ok", "rename,/new,/etc/moved: ok", "ls,/etc: motd moved")
	if text, _ := os.ReadFile(filepath.Join(lower, "etc/motd")); string(text) != "original" {
		t.Errorf("the image holds %q", text)
	}
	if text, _ := os.ReadFile(filepath.Join(upper, "etc/motd")); string(text) != "changed" {
		t.Errorf("the container's layer holds %q", text)
	}
}

// TestManyLayers has more of them than mount(2)'s page of options could name
// in full.
func TestManyLayers(t *testing.T) {
	c := define(t, guestPath, "cat,/first", "cat,/last")
	dir := t.TempDir()
	var lower []string
	for i := range 100 {
		layer := filepath.Join(dir, fmt.Sprintf("%03d", i), strings.Repeat("l", 30))
		if err := os.MkdirAll(layer, 0o755); err != nil {
			t.Fatal(err)
		}
		lower = append(lower, layer)
	}
	for name, layer := range map[string]string{"first": lower[0], "last": lower[99]} {
		if err := os.WriteFile(filepath.Join(layer, name), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c.overlay(lower...)
	c.output("cat,/first: first", "cat,/last: last")
}

func TestBindRoot(t *testing.T) {
	dir := files(t, map[string]string{"etc/motd": "hello"})
	c := define(t, guestPath, "cat,/etc/motd", "write,/x,y")
	c.options.Spec.Root = []spec.Mount{{Type: "bind", Source: dir, Options: []string{"rbind", "rw"}}}
	c.output("cat,/etc/motd: hello", "write,/x,y: ok")
}

func TestReadOnlyRoot(t *testing.T) {
	c := define(t, guestPath, "write,/x,y", "write,/data/x,y", "cat,/etc/hosts", "cwd")
	upper := c.overlay(files(t, map[string]string{"etc/": ""}))
	data, hosts := t.TempDir(), filepath.Join(files(t, map[string]string{"hosts": "127.0.0.1 localhost"}), "hosts")
	c.options.Spec.ReadOnlyRoot = true
	c.options.Spec.Cwd = "/made/for/this"
	c.options.Spec.Env = []string{"PWD=/made/for/this"}
	c.mount(bind(data, "/data"))
	c.mount(bind(hosts, "/etc/hosts"))
	c.output("write,/x,y: open /x: Read-only file system", "write,/data/x,y: ok",
		"cat,/etc/hosts: 127.0.0.1 localhost", "cwd: /made/for/this")
	if _, err := os.Stat(filepath.Join(upper, "made/for/this")); err != nil {
		t.Error(err)
	}
}

func TestEmptyRootOfAnArtifact(t *testing.T) {
	c := define(t, guestPath, "ls,/", "write,/guest.wasm,x", "ls,/dev", "ls,/proc", "write,/file,x")
	c.output("ls,/: dev guest.wasm proc",
		"write,/guest.wasm,x: open /guest.wasm: Read-only file system",
		"ls,/dev: full null random shm urandom zero",
		"ls,/proc: 1 cpuinfo loadavg meminfo mounts net self stat sys uptime version",
		"write,/file,x: ok")
}

func TestDevicesAndProc(t *testing.T) {
	c := define(t, guestPath, "head,/dev/zero", "write,/dev/null,gone", "size,/dev/null", "write,/dev/full,x",
		"write,/dev/x,y", "write,/dev/shm/x,y", "write,/proc/x,y", "stat,/dev/urandom", "ls,/proc/self", "write,/proc/version,x")
	c.output("head,/dev/zero: 00000000", "write,/dev/null,gone: ok", "size,/dev/null: 0",
		"write,/dev/full,x: write /dev/full: No space left on device",
		"write,/dev/x,y: open /dev/x: Read-only file system", "write,/dev/shm/x,y: ok",
		"write,/proc/x,y: open /proc/x: Read-only file system",
		"stat,/dev/urandom: Dc---------",
		"ls,/proc/self: cgroup cmdline comm environ gid_map limits mountinfo mounts status uid_map",
		"write,/proc/version,x: open /proc/version: Read-only file system")
}

func TestReadOnlyMounts(t *testing.T) {
	source := files(t, map[string]string{"below/": "", "file": "text"})
	if err := unix.Mount("tmpfs", filepath.Join(source, "below"), "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(filepath.Join(source, "below"), 0); err != nil {
			t.Error(err)
		}
	})
	plain, recursive := bind(source, "/plain"), bind(source, "/recursive")
	plain.ReadOnly = true
	recursive.ReadOnly, recursive.RecursiveReadOnly = true, true
	c := define(t, guestPath, "cat,/plain/file", "write,/plain/x,y", "write,/plain/below/x,y", "write,/recursive/x,y", "write,/recursive/below/z,y")
	c.mount(plain)
	c.mount(recursive)
	c.output("cat,/plain/file: text", "write,/plain/x,y: open /plain/x: Read-only file system",
		"write,/plain/below/x,y: ok",
		"write,/recursive/x,y: open /recursive/x: Read-only file system",
		"write,/recursive/below/z,y: open /recursive/below/z: Read-only file system")
}

// TestLinksInTheImageCannotRedirectAMount has an image whose mount points lead
// outside by every kind of link; all of it must end up inside.
func TestLinksInTheImageCannotRedirectAMount(t *testing.T) {
	outside := t.TempDir()
	lower := files(t, map[string]string{
		"absolute":       "->" + outside,
		"relative":       "->../../../../../../../.." + outside,
		"dangling":       "->" + outside + "/made",
		"etc/hosts":      "->../../../../../../../.." + outside + "/hosts",
		"var/run":        "->/run",
		"loop":           "->loop",
		"chain":          "->dangling",
		"data/..outside": "",
	})
	volume := files(t, map[string]string{"file": "volume"})
	c := define(t, guestPath, "cat,/absolute/file", "cat,/relative/file", "cat,/dangling/file", "cat,/etc/hosts", "cat,/run/secrets/file", "cat,/chain/file")
	upper := c.overlay(lower)
	for _, destination := range []string{"/absolute", "/relative", "/dangling", "/var/run/secrets"} {
		c.mount(bind(volume, destination))
	}
	c.mount(bind(filepath.Join(volume, "file"), "/etc/hosts"))
	c.output("cat,/absolute/file: volume", "cat,/relative/file: volume", "cat,/dangling/file: volume",
		"cat,/etc/hosts: volume", "cat,/run/secrets/file: volume", "cat,/chain/file: volume")
	if entries, err := os.ReadDir(outside); err != nil || len(entries) != 0 {
		t.Errorf("outside the image: %v, %v", entries, err)
	}
	// The mount points were made inside, under the names the links spell.
	if _, err := os.Stat(filepath.Join(upper, outside)); err != nil {
		t.Error(err)
	}
}

func TestNestedMounts(t *testing.T) {
	outer, inner := files(t, map[string]string{"outer": ""}), files(t, map[string]string{"inner": ""})
	c := define(t, guestPath, "ls,/data", "ls,/data/sub/deep", "write,/tmp/x,y", "ls,/tmp")
	c.mount(bind(outer, "/data"))
	c.mount(bind(inner, "/data/sub/deep"))
	c.mount(spec.Mount{Type: spec.MountTmpfs, Source: "tmpfs", Destination: "/tmp", Options: []string{"mode=1777", "size=64k", "nosuid"}})
	c.output("ls,/data: outer sub", "ls,/data/sub/deep: inner", "write,/tmp/x,y: ok", "ls,/tmp: x")
}

func TestMaskedAndReadOnlyPaths(t *testing.T) {
	c := define(t, guestPath, "cat,/secret/file", "ls,/secret", "cat,/plain", "write,/frozen/x,y", "cat,/frozen/file")
	c.overlay(files(t, map[string]string{"secret/file": "hidden", "plain": "hidden", "frozen/file": "seen"}))
	c.options.Spec.MaskedPaths = []string{"/secret", "/plain", "/absent", "/plain/absent", "/proc/kcore"}
	c.options.Spec.ReadonlyPaths = []string{"/frozen", "/absent"}
	c.output("cat,/secret/file: open /secret/file: No such file or directory", "ls,/secret: ", "cat,/plain: ",
		"write,/frozen/x,y: open /frozen/x: Read-only file system", "cat,/frozen/file: seen")
}

// TestHostProcIsReadOnly has a hostPath volume of /proc, through which a guest
// could otherwise write into its worker.
func TestHostProcIsReadOnly(t *testing.T) {
	c := define(t, guestPath, "cat,/host/sys/kernel/ostype", "write,/host/sys/kernel/hostname,x", "write,/deep/proc/self/mem,x")
	c.mount(bind("/proc", "/host"))
	c.mount(bind("/", "/deep"))
	exit, log := c.run()
	if exit.Code != 0 || log[0] != "cat,/host/sys/kernel/ostype: Linux" {
		t.Errorf("exit %+v, log:\n%s", exit, join(log))
	}
	for _, line := range log[1:] {
		if strings.HasSuffix(line, ": ok") {
			t.Errorf("a guest wrote to procfs: %s", line)
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil || strings.Contains(string(mounts), " /host ") {
		t.Errorf("the host's own mounts changed: %v\n%s", err, mounts)
	}
}

func TestSlavePropagation(t *testing.T) {
	shared := t.TempDir()
	if err := errors.Join(
		unix.Mount(shared, shared, "", unix.MS_BIND, ""),
		unix.Mount("", shared, "", unix.MS_SHARED, ""),
		os.Mkdir(filepath.Join(shared, "late"), 0o755),
	); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(shared, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	slave, private := bind(shared, "/slave"), bind(shared, "/private")
	slave.Propagation = spec.PropagationSlave
	c := define(t, guestPath, "ls,/slave/late", "ls,/private/late")
	c.mount(slave)
	c.mount(private)
	if err := c.launch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", filepath.Join(shared, "late"), "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(shared, "late/file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := c.client.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.wait()
	if got := join(c.lines()); got != "ls,/slave/late: file\nls,/private/late: " {
		t.Errorf("log:\n%s", got)
	}
}

func TestRefusedMounts(t *testing.T) {
	dir := files(t, map[string]string{"file": "", "dir/": ""})
	lower := files(t, map[string]string{"etc/file": "", "dir/": "", "loop": "->loop"})
	for name, c := range map[string]struct {
		mount spec.Mount
		class error
		want  string
	}{
		"absent source":   {bind("/nowhere/x", "/data"), errdefs.ErrNotFound, "mount /data: source /nowhere/x does not exist"},
		"file below file": {bind(filepath.Join(dir, "file/x"), "/data"), errdefs.ErrNotFound, "does not exist"},
		"file on dir":     {bind(filepath.Join(dir, "file"), "/dir"), errdefs.ErrInvalidArgument, "mount /dir: the source is a file, the mount point in the image is a directory"},
		"dir on file":     {bind(filepath.Join(dir, "dir"), "/etc/file"), errdefs.ErrInvalidArgument, "mount /etc/file: the source is a directory, the mount point in the image is a file"},
		"below a file":    {bind(dir, "/etc/file/x"), errdefs.ErrInvalidArgument, "mount /etc/file/x: the mount point cannot be made: not a directory"},
		"through a loop":  {bind(dir, "/loop/x"), errdefs.ErrInvalidArgument, "mount /loop/x: the mount point cannot be made: too many levels"},
		"the root":        {bind(dir, "/../"), errdefs.ErrInvalidArgument, "mount /: a mount cannot replace the root"},
		"unknown type":    {spec.Mount{Type: "nosuchfs", Destination: "/x"}, errdefs.ErrFailedPrecondition, "mount /x: file system nosuchfs: this kernel has none"},
		"unknown option":  {spec.Mount{Type: "tmpfs", Destination: "/x", Options: []string{"size=huge"}}, errdefs.ErrInvalidArgument, "mount /x: tmpfs option size=huge: "},
		"bind option":     {spec.Mount{Type: spec.MountBind, Source: dir, Destination: "/x", Options: []string{"size=1"}}, errdefs.ErrInvalidArgument, "mount /x: option size=1: a bind mount has none such"},
	} {
		t.Run(name, func(t *testing.T) {
			k := define(t, guestPath)
			k.overlay(lower)
			k.mount(c.mount)
			err := k.launch(t.Context())
			if !errors.Is(err, c.class) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestVolatileRootIsMountedAgain: a worker that was not to be leaves the kernel's mark of
// an overlay that may have lost something.
func TestVolatileRootIsMountedAgain(t *testing.T) {
	c := define(t, guestPath, "cat,/etc/motd")
	c.overlay(files(t, map[string]string{"etc/motd": "original"}))
	root := &c.options.Spec.Root[0]
	root.Options = append(root.Options, "volatile")
	refused := errors.New("no compiler")
	_, err := launch.Container(t.Context(), c.options, func(context.Context, *os.File) (*os.File, string, error) { return nil, "", refused })
	if !errors.Is(err, refused) {
		t.Fatal(err)
	}
	if _, err := os.Stat(c.path("work/work/incompat/volatile")); err != nil {
		t.Errorf("no mark: %v", err)
	}
	c.output("cat,/etc/motd: original")
}
