// SPDX-License-Identifier: Apache-2.0

package launch_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// imageOf mounts directories as the layers of an image, the uppermost first.
func imageOf(destination, subPath string, layers ...string) spec.Mount {
	m := spec.Mount{Type: spec.MountImage, Destination: destination, ReadOnly: true, SubPath: subPath}
	if len(layers) == 1 {
		m.Files = []spec.Mount{{Type: "bind", Source: layers[0], Options: []string{"ro", "bind"}}}
	} else {
		m.Files = []spec.Mount{{Type: "overlay", Source: "overlay", Options: []string{"ro", "lowerdir=" + strings.Join(layers, ":")}}}
	}
	return m
}

func TestImageVolumes(t *testing.T) {
	lower := files(t, map[string]string{"etc/motd": "lower", "etc/only-lower": "seen", "bin/": ""})
	upper := files(t, map[string]string{"etc/motd": "upper"})
	c := define(t, guestPath, "cat,/img/etc/motd", "cat,/img/etc/only-lower", "write,/img/x,y", "write,/img/etc/motd,y", "remove,/img/etc/motd",
		"ls,/part", "cat,/file", "cat,/one/etc/motd", "write,/one/x,y", "cat,/again/etc/motd", "ls,/proc", "cat,/data/below/file")
	c.mount(imageOf("/img", "", upper, lower))
	c.mount(imageOf("/part", "etc", upper, lower))
	c.mount(imageOf("/file", "etc/only-lower", upper, lower))
	c.mount(imageOf("/one", "", lower))
	c.mount(imageOf("/again", "/", upper, lower))
	// A volume that is prepared after the images were put together.
	c.mount(bind(files(t, map[string]string{"below/file": "of the node"}), "/data"))
	c.output("cat,/img/etc/motd: upper", "cat,/img/etc/only-lower: seen",
		"write,/img/x,y: open /img/x: Read-only file system", "write,/img/etc/motd,y: open /img/etc/motd: Read-only file system",
		"remove,/img/etc/motd: remove /img/etc/motd: Read-only file system",
		"ls,/part: motd only-lower", "cat,/file: seen", "cat,/one/etc/motd: lower", "write,/one/x,y: open /one/x: Read-only file system",
		"cat,/again/etc/motd: upper", "ls,/proc: 1 cpuinfo loadavg meminfo mounts net self stat sys uptime version", "cat,/data/below/file: of the node")
	if text, _ := os.ReadFile(filepath.Join(lower, "etc/motd")); string(text) != "lower" {
		t.Errorf("the layer holds %q", text)
	}
}

// TestProgramInAnImageVolume runs a module that a volume brought.
func TestProgramInAnImageVolume(t *testing.T) {
	module, err := os.ReadFile(guestPath)
	if err != nil {
		t.Fatal(err)
	}
	c := define(t, guestPath, "args")
	c.options.Spec.Module = nil
	c.options.Spec.Args = []string{"/img/bin/app.wasm", "args"}
	c.mount(imageOf("/img", "", files(t, map[string]string{"bin/app.wasm": string(module)}), t.TempDir()))
	c.output("args: /img/bin/app.wasm args")
}

// TestSubPathsStayInTheImage has an image whose links lead out by every way.
func TestSubPathsStayInTheImage(t *testing.T) {
	outside := files(t, map[string]string{"secret": "of the node", "dir/secret": "of the node"})
	layer := files(t, map[string]string{
		"absolute":           "->" + outside + "/secret",
		"relative":           "->../../../../../../../.." + outside + "/secret",
		"dir":                "->" + outside + "/dir",
		"inside":             "->/real/file",
		"real/file":          "of the image",
		"loop":               "->loop",
		outside + "/dir/own": "of the image",
		"real/up":            "->../../../real",
	})
	for subPath, want := range map[string]string{
		"absolute": "the image has no absolute", "relative": "the image has no relative",
		"dir/secret": "the image has no dir/secret", "../../.." + outside + "/secret": "the image has no ../",
		"none": "the image has no none", "real/file/below": "the image has no real/file/below",
		"loop": "loop in the image: too many levels of symbolic links",
	} {
		c := define(t, guestPath)
		c.mount(imageOf("/img", subPath, layer))
		err := c.launch(t.Context())
		class := errdefs.IsNotFound
		if subPath == "loop" {
			class = errdefs.IsInvalidArgument
		}
		if !class(err) || !strings.Contains(err.Error(), "mount /img: "+want) {
			t.Errorf("%s: %v", subPath, err)
		}
	}
	c := define(t, guestPath, "cat,/file", "ls,/dir", "cat,/up/file")
	c.mount(imageOf("/file", "inside", layer))
	c.mount(imageOf("/dir", "dir", layer))
	c.mount(imageOf("/up", "real/up", layer))
	c.output("cat,/file: of the image", "ls,/dir: own", "cat,/up/file: of the image")
}

func TestMountOptions(t *testing.T) {
	source := files(t, map[string]string{"file": "text", "link": "->file"})
	if err := unix.Mount(source, source, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(source, 0); err != nil {
			t.Error(err)
		}
	})
	if err := unix.Mknod(filepath.Join(source, "null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))); err != nil {
		t.Fatal(err)
	}
	with := func(destination string, options ...string) spec.Mount {
		m := bind(source, destination)
		m.Options = options
		return m
	}
	c := define(t, guestPath, "write,/ro/x,y", "cat,/links/link", "cat,/nolinks/link", "write,/plain/null,x",
		"cat,/quiet/file", "write,/image/x,y", "cat,/image/link")
	c.mount(with("/ro", "ro"))
	c.mount(with("/links", "nosuid", "noexec", "strictatime"))
	c.mount(with("/nolinks", "nosymfollow"))
	c.mount(with("/plain", "nodiratime"))
	c.mount(with("/quiet", "relatime", "noatime"))
	image := imageOf("/image", "", source)
	image.Options = []string{"nosymfollow", "noexec"}
	c.mount(image)
	c.output("write,/ro/x,y: open /ro/x: Read-only file system", "cat,/links/link: text",
		"cat,/nolinks/link: open /nolinks/link: Too many symbolic links",
		"write,/plain/null,x: open /plain/null: Permission denied", // no mount gives devices
		"cat,/quiet/file: text", "write,/image/x,y: open /image/x: Read-only file system",
		"cat,/image/link: open /image/link: Too many symbolic links")
}

// TestAccessTimesOfMounts: an option replaces what the source's own mount says.
func TestAccessTimesOfMounts(t *testing.T) {
	source := t.TempDir()
	c := define(t, guestPath)
	for _, option := range []string{"noatime", "strictatime", "relatime", "nodiratime"} {
		m := bind(source, "/"+option)
		m.Options = []string{option}
		c.mount(m)
	}
	if err := c.launch(t.Context()); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", c.process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for line := range strings.Lines(string(raw)) {
		fields := strings.Fields(line) // proc_pid_mountinfo(5)
		got[fields[4]] = fields[5]
	}
	for at, want := range map[string]string{
		"/noatime": "rw,nosuid,nodev,noatime", "/strictatime": "rw,nosuid,nodev", "/relatime": "rw,nosuid,nodev,relatime", "/nodiratime": "rw,nosuid,nodev,nodiratime,relatime",
	} {
		if got[at] != want {
			t.Errorf("%s has %q, want %q", at, got[at], want)
		}
	}
}

// TestNoexecKeepsProgramsFromRunning: the kernel is never asked to execute a
// module, so the worker asks what it would have said.
func TestNoexecKeepsProgramsFromRunning(t *testing.T) {
	module, err := os.ReadFile(guestPath)
	if err != nil {
		t.Fatal(err)
	}
	dir := files(t, map[string]string{"app.wasm": string(module)})
	for _, name := range []string{"/app/app.wasm", "app.wasm"} {
		c := define(t, guestPath)
		c.options.Spec.Module = nil
		c.options.Spec.Args = []string{name}
		c.options.Spec.Env = []string{"PATH=/app"}
		m := bind(dir, "/app")
		m.Options = []string{"noexec"}
		c.mount(m)
		err := c.launch(t.Context())
		if !errors.Is(err, errdefs.ErrFailedPrecondition) || !strings.Contains(err.Error(), "/app/app.wasm: lies on a mount with the option noexec") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
