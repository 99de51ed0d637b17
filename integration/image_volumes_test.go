// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/integration/guests/tiny"
	"github.com/wazelet/wazelet/integration/lab"
	"github.com/wazelet/wazelet/integration/lab/image"
)

// pushData stores an image of two layers that has files for a volume, and links
// out of it.
func (s *space) pushData(ref string) {
	s.t.Helper()
	img, err := image.Layers(image.Config{}, []image.File{
		{Path: "/etc/"}, {Path: "/etc/motd", Content: []byte("below")}, {Path: "/etc/shadow", Content: []byte("of the image")},
	}, []image.File{
		{Path: "/bin/"}, {Path: "/bin/hello.wasm", Content: tiny.Hello("from the volume\n")},
		{Path: "/etc/"}, {Path: "/etc/motd", Content: []byte("above")},
		{Path: "/links/"}, {Path: "/links/in", Link: "/etc"}, {Path: "/links/out", Link: "../../../../../../etc/hostname"},
	})
	if err == nil {
		_, err = cluster.Push(s.ctx, ref, img)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// TestImageVolume shows images as volumes: one of files, a part of it, and a
// module; a program runs from one.
func TestImageVolume(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	data := "registry.example/" + s.name + "/data:1"
	s.pushData(data)
	volumes := replace(`
volumes:
- {name: data, image: {reference: DATA, pullPolicy: IfNotPresent}}
- {name: module, image: {reference: 'registry.example/tiny/exit:1.0'}}
`, "DATA", data)
	log := s.run("reader", `
containers:
- name: main
  image: registry.example/probe:1.0
  args: [then, cat, /data/etc/motd, /part/motd, /part/shadow, /linked/motd, --, out, "", --, ls, /module, --, readlink, /data/links/in]
  volumeMounts:
  - {name: data, mountPath: /data}
  - {name: data, mountPath: /part, subPath: etc}
  - {name: data, mountPath: /linked, subPath: links/in}
  - {name: module, mountPath: /module}
`+volumes)
	contains(t, "log", log, "aboveaboveof the imageabove\n", " exit.wasm\n", "/etc\n")

	equal(t, "log of a program in the volume", s.run("runner", `
containers:
- name: main
  image: registry.example/files/nothing:1.0
  command: [/data/bin/hello.wasm]
  volumeMounts: [{name: data, mountPath: /data}]
`+volumes), "from the volume\n")

	for change, args := range map[string]string{
		"create": "[write, /data/new, text]", "truncate": "[write, /data/etc/motd, text]",
		"remove": "[rm, /data/etc/motd]", "rename": "[mv, /data/etc/motd, /data/other]", "mkdir": "[mkdir, /data/dir]",
	} {
		s.pod(change, `
containers:
- name: main
  image: registry.example/probe:1.0
  args: `+args+`
  volumeMounts: [{name: data, mountPath: /data}]
`+volumes)
		s.fails(change, 1)
		contains(t, change, s.logs(change), "read-only file system")
	}
}

// TestImageVolumeSubPath refuses a part that the image does not have, and one
// that only the node has.
func TestImageVolumeSubPath(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	data := "registry.example/" + s.name + "/data:1"
	s.pushData(data)
	for name, subPath := range map[string]string{"absent": "not/there", "outside": "links/out"} {
		s.pod(name, fmt.Sprintf(`
containers:
- name: main
  image: registry.example/probe:1.0
  volumeMounts: [{name: data, mountPath: /data, subPath: %s}]
volumes: [{name: data, image: {reference: '%s'}}]
`, subPath, data))
	}
	s.event("absent", "Failed", "mount /data: the image has no not/there")
	s.event("outside", "Failed", "mount /data: the image has no links/out")
}

// TestImageVolumeDigest: the runtime says which image the tag meant, by the id
// that the kubelet's image collection compares. (The kubelet's own
// ImageVolumeWithDigest cannot be shown: up to 1.37.2 it looks for the mount by a
// name that CRI does not carry.)
func TestImageVolumeDigest(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	data := "registry.example/" + s.name + "/data:1"
	s.pushData(data)
	s.pod("holder", `
containers:
- name: main
  image: registry.example/tiny/pause:1.0
  volumeMounts: [{name: data, mountPath: /data}]
volumes: [{name: data, image: {reference: '`+data+`'}}]
`)
	id := containerID(t, s.wait("holder", lab.Running), "main")
	equal(t, "output of a command of the volume", s.kubectl("exec", "--namespace", s.name, "holder", "--", "/data/bin/hello.wasm"), "from the volume\n")
	var listed struct{ Images []struct{ ID string } }
	crictlJSON(s, &listed, "images", "--output", "json", data)
	if len(listed.Images) != 1 {
		t.Fatalf("%d images are %s", len(listed.Images), data)
	}
	var container struct {
		Status struct {
			Mounts []struct {
				ContainerPath, HostPath string
				Image                   struct{ Image, ImageRef string }
			}
		}
	}
	crictlJSON(s, &container, "inspect", "--output", "json", id)
	for _, m := range container.Status.Mounts {
		if m.ContainerPath == "/data" {
			equal(t, "image", m.Image.Image, listed.Images[0].ID)
			equal(t, "host path", m.HostPath, "")
			return
		}
	}
	t.Errorf("mounts %+v have no /data", container.Status.Mounts)
}

// crictlJSON decodes what crictl prints of the cluster's runtime.
func crictlJSON(s *space, v any, args ...string) {
	s.t.Helper()
	out, err := cluster.Crictl(s.ctx, args...)
	if err == nil {
		err = json.Unmarshal([]byte(out.Stdout), v)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// TestImageVolumeStays with its container when the image is removed and the
// daemon killed, and goes with it.
func TestImageVolumeStays(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	s := newSpace(t)
	data := "registry.example/" + s.name + "/data:1"
	s.pushData(data)
	n.pull("registry.example/tiny/pause:1.0")
	n.pull(data)
	config := n.sandboxConfig("pod")
	request := n.containerRequest(n.sandbox(config), config, "main", "registry.example/tiny/pause:1.0")
	request.Config.Mounts = []*runtimeapi.Mount{{ContainerPath: "/data", Readonly: true, Image: &runtimeapi.ImageSpec{Image: data}}}
	id := n.create(request)
	if _, err := n.runtime().StartContainer(n.ctx, &runtimeapi.StartContainerRequest{ContainerId: id}); err != nil {
		t.Fatal(err)
	}

	n.stop(unix.SIGKILL)
	n.start()
	n.crictl("rmi", data)
	if left := n.layers(); len(left) != 4 {
		t.Errorf("layers after the image's removal: %q, want its two, what holds them for the container, and what keeps those below the container's root", left)
	}
	pid := workerPid(t, id)
	equal(t, "file in the volume", readFile(t, filepath.Join("/proc", fmt.Sprint(pid), "root/data/etc/motd")), "above")
	mounts := readFile(t, "/proc/self/mountinfo")
	if strings.Contains(mounts, n.dir) {
		t.Errorf("the node has mounts of an image:\n%s", mounts)
	}
	n.crictl("rm", "--force", id)
	n.crictl("rmi", "registry.example/tiny/pause:1.0")
	n.until(func() error {
		if left := n.layers(); len(left) != 0 {
			return fmt.Errorf("layers left: %q", left)
		}
		return nil
	})
}

// layers lists what the node has unpacked.
func (n *node) layers() []string {
	n.t.Helper()
	layers, err := filepath.Glob(filepath.Join(n.dir, "root/snapshots/*/snapshots/*"))
	if err != nil {
		n.t.Fatal(err)
	}
	return layers
}

// TestMountOptions on a real pod: what a volume mount forbids, its guest cannot do.
func TestMountOptions(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	dir := s.hostDir()
	if err := os.WriteFile(filepath.Join(dir, "hello.wasm"), tiny.Hello("executed\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	pod := func(name, options, command string) {
		s.pod(name, `
containers:
- name: main
  image: registry.example/probe:1.0
  `+command+`
  volumeMounts: [{name: dir, mountPath: /dir, bindMountOptions: `+options+`}]
volumes: [{name: dir, hostPath: {path: `+dir+`}}]
`)
	}
	pod("exec", "[nosuid, nodev]", "command: [/dir/hello.wasm]")
	pod("noexec", "[noexec]", "command: [/dir/hello.wasm]")
	equal(t, "log", s.succeeds("exec"), "executed\n")
	s.event("noexec", "Failed", "/dir/hello.wasm: lies on a mount with the option noexec")
}
