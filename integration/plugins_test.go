// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	deviceplugin "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"

	"github.com/wazelet/wazelet/integration/lab"
	"github.com/wazelet/wazelet/integration/lab/plugin"
)

// deviceNode makes a node of /dev/null's device in a folder of the test's.
func deviceNode(t *testing.T, dir, name string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := errors.Join(unix.Mknod(path, unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))), os.Chmod(path, 0o666)); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestKrustletDevicePlugin: what a device plugin allocates is in the container:
// variables, mounts and device nodes, by themselves and by the name of a CDI
// device.
func TestKrustletDevicePlugin(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	dir := s.hostDir()
	writeFile(t, filepath.Join(dir, "note"), "of the plugin")
	writeFile(t, filepath.Join(dir, "library"), "of the vendor")
	writeFile(t, filepath.Join(cluster.CDI(), "gadget.yaml"), `
cdiVersion: 0.6.0
kind: gadgets.example/gadget
devices:
- name: a
  containerEdits:
    env: [CDI=known]
    mounts: [{hostPath: `+dir+`/library, containerPath: /vendor/library, options: [ro, bind]}]
    deviceNodes: [{path: /dev/by-name, hostPath: `+deviceNode(t, dir, "by-name")+`}]
`)
	node := deviceNode(t, dir, "node")
	devices := plugin.Devices{
		Resource: "gadgets.example/gadget", IDs: []string{"a"},
		Allocated: func(ids []string) *deviceplugin.ContainerAllocateResponse {
			return &deviceplugin.ContainerAllocateResponse{
				Envs:   map[string]string{"GADGET": ids[0]},
				Mounts: []*deviceplugin.Mount{{HostPath: filepath.Join(dir, "note"), ContainerPath: "/gadget/note", ReadOnly: true}},
				Devices: []*deviceplugin.DeviceSpec{
					{HostPath: node, ContainerPath: "/dev/gadget", Permissions: "rw"},
					{HostPath: node, ContainerPath: "/dev/gadget-to-read", Permissions: "r"},
				},
				CdiDevices: []*deviceplugin.CDIDevice{{Name: "gadgets.example/gadget=" + ids[0]}},
			}
		},
	}
	if err := devices.Start(s.ctx, filepath.Join(cluster.Dir(), "host/var/lib/kubelet/device-plugins")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := devices.Close(); err != nil {
			t.Error(err)
		}
	})
	pod := func(args string) string {
		return `
containers:
- name: main
  image: registry.example/probe:1.0
  args: ` + args + `
  resources: {limits: {gadgets.example/gadget: 1}}
`
	}
	equal(t, "log", s.run("user", pod(`[then, env, GADGET, CDI, --, cat, /gadget/note, /vendor/library, --,
    write, /dev/gadget, x, --, append, /dev/by-name, x, --, cat, /dev/gadget, /dev/gadget-to-read]`)), "a\nknown\nof the pluginof the vendor\n")
	s.pod("writer", pod(`[write, /dev/gadget-to-read, x]`))
	s.fails("writer", 1)
	contains(t, "log", s.logs("writer"), "permission denied")
}

// TestDeviceThatIsGone tells the pod whose plugin promised it.
func TestDeviceThatIsGone(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	devices := plugin.Devices{
		Resource: "gadgets.example/gone", IDs: []string{"a"},
		Allocated: func([]string) *deviceplugin.ContainerAllocateResponse {
			return &deviceplugin.ContainerAllocateResponse{Devices: []*deviceplugin.DeviceSpec{
				{HostPath: "/dev/gadget-that-is-gone", ContainerPath: "/dev/gadget", Permissions: "rw"},
			}}
		},
	}
	if err := devices.Start(s.ctx, filepath.Join(cluster.Dir(), "host/var/lib/kubelet/device-plugins")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := devices.Close(); err != nil {
			t.Error(err)
		}
	})
	s.pod("user", `
containers:
- {name: main, image: 'registry.example/probe:1.0', resources: {limits: {gadgets.example/gone: 1}}}
`)
	s.event("user", "Failed", "device /dev/gadget-that-is-gone: does not exist on the node")
}

// TestHostPathGivesNoDevices: a device is given as such, or not at all.
func TestHostPathGivesNoDevices(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	node := deviceNode(t, s.hostDir(), "node")
	for name, path := range map[string]string{"folder": filepath.Dir(node), "node": node} {
		at := map[string]string{"folder": "/dir/node", "node": "/dir"}[name]
		s.pod(name, `
containers:
- name: main
  image: registry.example/probe:1.0
  args: [cat, `+at+`]
  volumeMounts: [{name: dir, mountPath: /dir}]
volumes: [{name: dir, hostPath: {path: `+path+`}}]
`)
		s.fails(name, 1)
		contains(t, name, s.logs(name), "permission denied")
	}
}

// startVolumes starts a CSI driver on the node and waits until it is known.
func (s *space) startVolumes(name string) {
	s.t.Helper()
	driver := plugin.Volumes{
		Name: name, Node: cluster.Node(),
		Mount: func(ctx context.Context, target string, files map[string]string, readOnly bool) error {
			steps := [][]string{{"mount", "-t", "tmpfs", "-o", "mode=777", name, target}}
			for file, text := range files {
				steps = append(steps, []string{"sh", "-c", `printf %s "$1" >"$2"`, "sh", text, filepath.Join(target, file)})
			}
			if readOnly {
				steps = append(steps, []string{"mount", "-o", "remount,ro", target})
			}
			for _, step := range steps {
				if _, err := cluster.Command(ctx, step[0], step[1:]...); err != nil {
					return err
				}
			}
			return nil
		},
		Unmount: func(ctx context.Context, target string) error {
			_, err := cluster.Command(ctx, "sh", "-c", `! mountpoint -q "$1" || umount "$1"`, "sh", target)
			return err
		},
	}
	if err := driver.Start(filepath.Join(cluster.Dir(), "kubelet")); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if err := driver.Close(); err != nil {
			s.t.Error(err)
		}
	})
	s.apply(`
apiVersion: storage.k8s.io/v1
kind: CSIDriver
metadata: {name: ` + name + `}
spec: {attachRequired: false, podInfoOnMount: true, volumeLifecycleModes: [Ephemeral, Persistent]}
`)
	s.t.Cleanup(func() { s.deleteObject("csidriver", name) })
	s.until(func() error {
		known := s.kubectl("get", "csinode", cluster.Node(), "-o", "jsonpath={.spec.drivers[*].name}")
		return present(" "+known+" ", " "+name+" ")
	})
}

// unpublished waits until the node has no mount of the driver: volumes are taken
// away after their pod.
func (s *space) unpublished(driver string) {
	s.t.Helper()
	s.until(func() error {
		out, err := cluster.Command(s.ctx, "cat", "/proc/self/mountinfo")
		if err != nil {
			return err
		}
		if missing(out.Stdout, " - tmpfs "+driver+" ") == nil {
			return fmt.Errorf("the node has mounts of %s", driver)
		}
		return nil
	})
}

// TestKrustletCSI: a volume that a CSI driver mounts for the pod alone, and one of
// a claim.
func TestKrustletCSI(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	const driver = "memory.csi.example"
	s.startVolumes(driver)
	s.apply(`
apiVersion: v1
kind: PersistentVolume
metadata: {name: ` + s.name + `}
spec:
  capacity: {storage: 1Mi}
  accessModes: [ReadWriteOnce]
  claimRef: {namespace: ` + s.name + `, name: claim}
  csi: {driver: ` + driver + `, volumeHandle: the-one, volumeAttributes: {colour: green}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: claim}
spec: {accessModes: [ReadWriteOnce], storageClassName: "", volumeName: ` + s.name + `, resources: {requests: {storage: 1Mi}}}
`)
	t.Cleanup(func() { s.deleteObject("pv", s.name) })
	const spec = `
containers:
- name: main
  image: registry.example/wasmerciser:1.0
  args:
  - assert_value(file:/volume/colour)is(lit:green)
  - write(lit:kept)to(file:/volume/note)
  - assert_value(file:/volume/note)is(lit:kept)
  volumeMounts: [{name: volume, mountPath: /volume}]
volumes: [{name: volume, %s}]
`
	s.run("claimed", replaceArgs(spec, "persistentVolumeClaim: {claimName: claim}"))
	s.run("inline", replaceArgs(spec, "csi: {driver: "+driver+", volumeAttributes: {colour: green}}"))
	s.pod("read-only", replaceArgs(spec, "csi: {driver: "+driver+", readOnly: true, volumeAttributes: {colour: green}}"))
	s.fails("read-only", 1)
	s.in("delete", "pod", "--all", "--wait")
	s.unpublished(driver)
}

// TestKrustletPVC: what one pod writes to the volume of a claim, another reads.
func TestKrustletPVC(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	dir := s.hostDir()
	s.apply(`
apiVersion: v1
kind: PersistentVolume
metadata: {name: ` + s.name + `}
spec:
  capacity: {storage: 1Mi}
  accessModes: [ReadWriteOnce]
  claimRef: {namespace: ` + s.name + `, name: claim}
  local: {path: ` + dir + `}
  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [` + cluster.Node() + `]}]}]}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: claim}
spec: {accessModes: [ReadWriteOnce], storageClassName: "", volumeName: ` + s.name + `, resources: {requests: {storage: 1Mi}}}
`)
	t.Cleanup(func() { s.deleteObject("pv", s.name) })
	const spec = `
containers:
- name: main
  image: registry.example/wasmerciser:1.0
  args: %s
  volumeMounts: [{name: volume, mountPath: /data}]
volumes: [{name: volume, persistentVolumeClaim: {claimName: claim}}]
`
	s.run("writer", replaceArgs(spec, "['write(lit:slats)to(file:/data/floofycat.txt)']"))
	s.run("reader", replaceArgs(spec, "['assert_value(file:/data/floofycat.txt)is(lit:slats)']"))
	equal(t, "file of the node", readFile(t, filepath.Join(dir, "floofycat.txt")), "slats")
	equal(t, "pod", s.wait("reader", lab.Succeeded).Status.Phase, "Succeeded")
}

// TestBlockVolume gives a pod a disk without a file system, as a device.
func TestBlockVolume(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	backing := filepath.Join(s.hostDir(), "disk")
	writeFile(t, backing, strings.Repeat("-", 4096))
	out, err := cluster.Command(s.ctx, "losetup", "--find", "--show", backing)
	if err != nil {
		t.Fatal(err)
	}
	disk := strings.TrimSpace(out.Stdout)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if _, err := cluster.Command(ctx, "losetup", "--detach", disk); err != nil {
			t.Error(err)
		}
	})
	s.apply(`
apiVersion: v1
kind: PersistentVolume
metadata: {name: ` + s.name + `}
spec:
  capacity: {storage: 4Ki}
  accessModes: [ReadWriteOnce]
  volumeMode: Block
  claimRef: {namespace: ` + s.name + `, name: claim}
  local: {path: ` + disk + `}
  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [` + cluster.Node() + `]}]}]}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: claim}
spec: {accessModes: [ReadWriteOnce], volumeMode: Block, storageClassName: "", volumeName: ` + s.name + `, resources: {requests: {storage: 4Ki}}}
`)
	t.Cleanup(func() { s.deleteObject("pv", s.name) })
	const spec = `
containers:
- name: main
  image: registry.example/probe:1.0
  args: %s
  volumeDevices: [{name: disk, devicePath: /dev/disk}]
volumes: [{name: disk, persistentVolumeClaim: {claimName: claim, readOnly: HOW}}]
`
	s.run("writer", replace(replaceArgs(spec, "[then, write, /dev/disk, written by the pod, --, stat, /dev/disk]"), "HOW", "false"))
	contains(t, "disk", s.run("reader", replace(replaceArgs(spec, "[cat, /dev/disk]"), "HOW", "true")), "written by the pod---")
	s.pod("refused", replace(replaceArgs(spec, "[write, /dev/disk, text]"), "HOW", "true"))
	s.fails("refused", 1)
	contains(t, "log", s.logs("refused"), "permission denied")
	s.in("delete", "pod", "--all", "--wait")
}

// deleteObject removes what belongs to no namespace.
func (s *space) deleteObject(kind, name string) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if _, err := cluster.Kubectl(ctx, "delete", kind, name, "--wait=false"); err != nil {
		s.t.Error(err)
	}
}
