// SPDX-License-Identifier: Apache-2.0

package device

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	specs "tags.cncf.io/container-device-interface/specs-go"
)

// registry writes CDI files, by name, to a directory of their own each.
func registry(t *testing.T, files ...map[string]string) Registry {
	t.Helper()
	var r Registry
	for _, dir := range files {
		r.Dirs = append(r.Dirs, t.TempDir())
		for name, text := range dir {
			if err := os.WriteFile(filepath.Join(r.Dirs[len(r.Dirs)-1], name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	return r
}

func TestEditsOfDevices(t *testing.T) {
	node := nodeIn(t, t.TempDir(), "node")
	r := registry(t, map[string]string{"a.yaml": `
cdiVersion: 0.7.0
kind: vendor.example/class
containerEdits:
  env: [COMMON=yes]
devices:
- name: one
  containerEdits:
    env: [WHICH=one]
    deviceNodes: [{path: /dev/one, hostPath: ` + node + `, permissions: r}, {path: /dev/hidden, hostPath: ` + node + `, permissions: none}]
    mounts: [{hostPath: /srv, containerPath: /lib/vendor, options: [ro, nosuid, nodev, rbind, rslave]}]
    additionalGids: [44, 0]
- name: two
  containerEdits: {env: [WHICH=two]}
- name: odd
  containerEdits: {env: [WHICH=of-the-first]}
`}, map[string]string{"b.json": `{"cdiVersion": "0.6.0", "kind": "vendor.example/class", "devices": [
	{"name": "odd", "containerEdits": {"env": ["WHICH=of-the-last"]}}]}`})
	got, err := r.Edits([]string{"vendor.example/class=one", "vendor.example/class=two", "vendor.example/class=odd"})
	want := Edits{
		Env:    []string{"COMMON=yes", "WHICH=one", "WHICH=two", "WHICH=of-the-last"},
		Nodes:  []Node{{node, "/dev/one", "r"}},
		Mounts: []Mount{{HostPath: "/srv", ContainerPath: "/lib/vendor", ReadOnly: true, Slave: true, Options: []string{"nosuid", "nodev"}}},
		Groups: []uint32{44},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
	if got, err := r.Edits(nil); err != nil || !reflect.DeepEqual(got, Edits{}) {
		t.Errorf("no devices: %+v, %v", got, err)
	}
}

func TestEditsRefuse(t *testing.T) {
	const head = "cdiVersion: 1.1.0\nkind: vendor.example/class\ndevices:\n"
	r := registry(t, map[string]string{
		"a.yaml": head + `
- {name: hook, containerEdits: {hooks: [{hookName: createContainer, path: /bin/ldconfig}]}}
- {name: net, containerEdits: {netDevices: [{hostInterfaceName: eth9, name: eth0}]}}
- {name: rdt, containerEdits: {intelRdt: {closID: gold}}}
- {name: tmpfs, containerEdits: {mounts: [{hostPath: tmpfs, containerPath: /x, type: tmpfs}]}}
- {name: shared, containerEdits: {mounts: [{hostPath: /srv, containerPath: /x, options: [rshared]}]}}
- {name: gone, containerEdits: {deviceNodes: [{path: /dev/nothing}]}}
`,
		"broken.yaml": "cdiVersion: [",
	})
	for name, tt := range map[string]struct {
		class func(error) bool
		want  []string
	}{
		"hook":   {errdefs.IsFailedPrecondition, []string{"it needs a hook (createContainer)"}},
		"net":    {errdefs.IsFailedPrecondition, []string{"it needs a network device (eth9)"}},
		"rdt":    {errdefs.IsFailedPrecondition, []string{"it needs cache allocation (intelRdt)"}},
		"tmpfs":  {errdefs.IsFailedPrecondition, []string{"mount /x: type tmpfs"}},
		"shared": {errdefs.IsFailedPrecondition, []string{"mount /x: option rshared"}},
		"gone":   {errdefs.IsNotFound, []string{"device /dev/nothing: does not exist on the node"}},
		"absent": {errdefs.IsNotFound, []string{"not in a CDI file of " + r.Dirs[0], "broken.yaml"}},
	} {
		_, err := r.Edits([]string{"vendor.example/class=" + name})
		if err == nil || !tt.class(err) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, text := range append(tt.want, "CDI device vendor.example/class="+name) {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("%s: %v: does not say %q", name, err, text)
			}
		}
	}
	if _, err := (Registry{}).Edits([]string{"a.example/b=c"}); !errdefs.IsNotFound(err) || !strings.Contains(err.Error(), "turned off") {
		t.Errorf("without directories: %v", err)
	}
}

// FuzzMount checks that whatever a file's mount says becomes one that a worker is
// told of exactly, or an error.
func FuzzMount(f *testing.F) {
	f.Add("/a", "/b", "bind", "ro,nosuid,rslave")
	f.Add("", "", "tmpfs", "size=1,rshared")
	f.Fuzz(func(t *testing.T, host, container, kind, options string) {
		m, err := mount(&specs.Mount{HostPath: host, ContainerPath: container, Type: kind, Options: strings.Split(options, ",")})
		if err != nil {
			if !errdefs.IsFailedPrecondition(err) {
				t.Fatal(err)
			}
			return
		}
		for _, option := range m.Options {
			if !slices.Contains(attributes, option) {
				t.Fatalf("option %q got through", option)
			}
		}
		if m.HostPath != host || m.ContainerPath != container || m.Recursive && !m.ReadOnly {
			t.Fatalf("%+v", m)
		}
	})
}
