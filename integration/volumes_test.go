// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/wazelet/wazelet/integration/lab"
)

// owned fails the test when the node's file does not belong to the ids.
func owned(t *testing.T, path string, uid, gid uint32) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	stat := info.Sys().(*syscall.Stat_t)
	if stat.Uid != uid || stat.Gid != gid {
		t.Errorf("%s belongs to %d:%d, want %d:%d", path, stat.Uid, stat.Gid, uid, gid)
	}
}

const settings = `
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: green, size: large, "with.dots": dotted}
---
apiVersion: v1
kind: Secret
metadata: {name: credentials}
stringData: {password: swordfish, user: jonah}
`

// TestConfigMapVolume shows every key as a file, through the kubelet's symbolic
// links.
func TestConfigMapVolume(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.apply(settings)
	log := s.run("reader", `
containers:
- name: main
  image: registry.example/probe:1.0
  args: [then, cat, /all/colour, /all/size, /all/with.dots, --, out, "", --, readlink, /all/colour, --,
    cat, /all/..data/size, --, out, "", --, stat, /some/paint]
  volumeMounts: [{name: all, mountPath: /all}, {name: some, mountPath: /some}]
volumes:
- {name: all, configMap: {name: settings}}
- {name: some, configMap: {name: settings, defaultMode: 0400, items: [{key: colour, path: deep/paint}, {key: colour, path: paint}]}}
`)
	contains(t, "log", log, "greenlargedotted\n..data/colour\nlarge\nL")
	s.run("absent", `
containers:
- name: main
  image: registry.example/wasmerciser:1.0
  args:
  - assert_value(file:/some/deep/paint)is(lit:green)
  - assert_not_exists(file:/some/colour)
  - assert_not_exists(file:/some/size)
  volumeMounts: [{name: some, mountPath: /some}]
volumes:
- {name: some, configMap: {name: settings, items: [{key: colour, path: deep/paint}]}}
`)
}

// TestConfigMapUpdate reaches a guest that runs: the kubelet swaps ..data.
func TestConfigMapUpdate(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.apply(settings)
	s.pod("watcher", `
containers:
- name: main
  image: registry.example/watcher:1.0
  args: [/settings/colour, blue]
  volumeMounts: [{name: settings, mountPath: /settings, readOnly: true}]
volumes: [{name: settings, configMap: {name: settings}}]
`)
	s.wait("watcher", lab.Running)
	s.in("patch", "configmap/settings", "--patch", `{"data": {"colour": "blue"}}`)
	s.in("annotate", "pod/watcher", "look=now") // or the kubelet takes its time
	contains(t, "log", s.succeeds("watcher"), "seen: blue")
}

// TestSecretVolume shows a secret's keys with the mode that was asked for.
func TestSecretVolume(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.apply(settings)
	log := s.run("reader", `
containers:
- name: main
  image: registry.example/probe:1.0
  args: [then, cat, /secret/password, --, out, "", --, cat, /secret/user, --, out, "", --, ls, /secret/..data]
  volumeMounts: [{name: secret, mountPath: /secret, readOnly: true}]
volumes: [{name: secret, secret: {secretName: credentials, defaultMode: 0400}}]
`)
	contains(t, "log", log, "swordfish\njonah\n", "9 password\n", "5 user\n")
}

// TestProjectedVolume has everything in one folder: the service account's token,
// a configMap, a secret and the downward API.
func TestProjectedVolume(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.apply(settings)
	log := s.run("reader", `
containers:
- name: main
  image: registry.example/probe:1.0
  args: [then, cat, /all/colour, /all/password, /all/name, --, out, "", --, cat, /all/token, --, out, "", --,
    cat, /var/run/secrets/kubernetes.io/serviceaccount/namespace, --, out, "", --,
    stat, /var/run/secrets/kubernetes.io/serviceaccount/ca.crt]
  volumeMounts: [{name: all, mountPath: /all, readOnly: true}]
volumes:
- name: all
  projected:
    sources:
    - serviceAccountToken: {path: token, expirationSeconds: 600, audience: somebody}
    - configMap: {name: settings, items: [{key: colour, path: colour}]}
    - secret: {name: credentials, items: [{key: password, path: password}]}
    - downwardAPI: {items: [{path: name, fieldRef: {fieldPath: metadata.name}}]}
`)
	contains(t, "log", log, "greenswordfishreader\ney", "\n"+s.name+"\n", "ca.crt")
}

// TestDownwardAPIVolume has the pod's own fields as files.
func TestDownwardAPIVolume(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.apply(`
apiVersion: v1
kind: Pod
metadata:
  name: self
  labels: {tier: front, zone: a}
  annotations: {note: remember}
spec:
  runtimeClassName: wasm
  restartPolicy: Never
  containers:
  - name: main
    image: registry.example/wasmerciser:1.0
    args:
    - "assert_value(file:/pod/name)is(lit:self)"
    - "assert_value(file:/pod/namespace)is(lit:` + s.name + `)"
    - "read(file:/pod/labels)to(var:labels)"
    - "assert_value(var:labels)is(lit:tier=\"front\"\nzone=\"a\")"
    - "assert_value(file:/pod/deep/memory)is(lit:134217728)"
    - "write(file:/pod/annotations)to(stm:stdout)"
    resources: {limits: {memory: 128Mi}}
    volumeMounts: [{name: pod, mountPath: /pod}]
  volumes:
  - name: pod
    downwardAPI:
      items:
      - {path: name, fieldRef: {fieldPath: metadata.name}}
      - {path: namespace, fieldRef: {fieldPath: metadata.namespace}}
      - {path: labels, fieldRef: {fieldPath: metadata.labels}}
      - {path: annotations, fieldRef: {fieldPath: metadata.annotations}}
      - {path: deep/memory, resourceFieldRef: {containerName: main, resource: limits.memory}}
`)
	contains(t, "log", s.succeeds("self"), `note="remember"`)
}

// TestEmptyDir is shared between two containers that run at once, on disk and in
// memory.
func TestEmptyDir(t *testing.T) {
	t.Parallel()
	for medium, volume := range map[string]string{"disk": "{}", "memory": "{medium: Memory, sizeLimit: 4Mi}"} {
		t.Run(medium, func(t *testing.T) {
			t.Parallel()
			s := newSpace(t)
			s.pod("pair", `
containers:
- name: reader
  image: registry.example/watcher:1.0
  args: [/in/deep/note, hello]
  volumeMounts: [{name: shared, mountPath: /in}]
- name: writer
  image: registry.example/probe:1.0
  args: [then, mkdir, /out/deep, --, write, /out/deep/draft, hello there, --, mv, /out/deep/draft, /out/deep/note]
  volumeMounts: [{name: shared, mountPath: /out}]
volumes: [{name: shared, emptyDir: `+volume+`}]
`)
			s.succeeds("pair")
			equal(t, "log", s.logs("pair", "--container=reader"), "watching /in/deep/note\nseen: hello there\n")
		})
	}
}

// TestHostPath shows a folder and a file of the node, for reading and writing.
func TestHostPath(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	dir := s.hostDir()
	writeFile(t, filepath.Join(dir, "from-node"), "of the node")
	log := s.run("visitor", `
containers:
- name: main
  image: registry.example/probe:1.0
  args: [then, cat, /node/from-node, --, cat, /single, --, write, /node/from-pod, of the pod, --, append, /single, " and the pod"]
  volumeMounts: [{name: dir, mountPath: /node}, {name: file, mountPath: /single}]
volumes:
- {name: dir, hostPath: {path: `+dir+`, type: Directory}}
- {name: file, hostPath: {path: `+dir+`/from-node, type: File}}
`)
	equal(t, "log", log, "of the nodeof the node\n")
	equal(t, "file of the pod", readFile(t, filepath.Join(dir, "from-pod")), "of the pod")
	equal(t, "file of the node", readFile(t, filepath.Join(dir, "from-node")), "of the node and the pod")
}

// TestSubPath mounts parts of a volume: folders, single files, and one whose name
// comes from a variable; and a volume within a volume.
func TestSubPath(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.apply(settings)
	dir := s.hostDir()
	if err := os.MkdirAll(filepath.Join(dir, "a", "b"), 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "a", "b", "file"), "deep")
	s.run("parts", `
containers:
- name: main
  image: registry.example/wasmerciser:1.0
  args:
  - assert_value(file:/b/file)is(lit:deep)
  - assert_value(file:/file)is(lit:deep)
  - assert_not_exists(file:/b/a)
  - assert_value(file:/etc/app/colour)is(lit:green)
  - assert_not_exists(file:/etc/app/size)
  - assert_value(file:/outer/b/inner/size)is(lit:large)
  - assert_exists(file:/etc/passwd)
  - write(lit:own)to(file:/own/note)
  env: [{name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]
  volumeMounts:
  - {name: dir, mountPath: /b, subPath: a/b}
  - {name: dir, mountPath: /file, subPath: a/b/file}
  - {name: settings, mountPath: /etc/app/colour, subPath: colour}
  - {name: dir, mountPath: /own, subPathExpr: for-$(POD)}
  - {name: settings, mountPath: /outer/b/inner}
  - {name: dir, mountPath: /outer, subPath: a}
volumes:
- {name: dir, hostPath: {path: `+dir+`}}
- {name: settings, configMap: {name: settings}}
`)
	equal(t, "file below the expanded path", readFile(t, filepath.Join(dir, "for-parts", "note")), "own")
}

// TestSingleFileMounts are those that every pod has.
func TestSingleFileMounts(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	log := s.run("etc", `
hostname: own-name
hostAliases: [{ip: 192.0.2.7, hostnames: [far.example]}]
dnsPolicy: None
dnsConfig: {nameservers: [192.0.2.53], searches: [here.example], options: [{name: ndots, value: "2"}]}
containers:
- name: main
  image: registry.example/probe:1.0
  args: [cat, /etc/hosts, /etc/hostname, /etc/resolv.conf]
`)
	ip := s.wait("etc", lab.Succeeded).Status.PodIP
	contains(t, "/etc/hosts", log, "127.0.0.1\tlocalhost", ip+"\town-name", "192.0.2.7\tfar.example")
	contains(t, "/etc/hostname", log, "\nown-name\n")
	contains(t, "/etc/resolv.conf", log, "nameserver 192.0.2.53", "search here.example", "options ndots:2")
	contains(t, "cluster's resolv.conf", s.run("dns", "containers: [{name: main, image: 'registry.example/probe:1.0', args: [cat, /etc/resolv.conf]}]"),
		"nameserver 10.96.0.10", "search "+s.name+".svc.cluster.local svc.cluster.local cluster.local")
}

// TestReadOnlyMount refuses every kind of change, with the error that says so.
func TestReadOnlyMount(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	dir := s.hostDir()
	writeFile(t, filepath.Join(dir, "file"), "kept")
	changes := map[string]string{
		"create":   "[write, /ro/new, text]",
		"truncate": "[write, /ro/file, text]",
		"append":   "[append, /ro/file, text]",
		"remove":   "[rm, /ro/file]",
		"rename":   "[mv, /ro/file, /ro/other]",
		"mkdir":    "[mkdir, /ro/dir]",
		"symlink":  "[symlink, file, /ro/link]",
	}
	for change, args := range changes {
		s.pod(change, `
containers:
- name: main
  image: registry.example/probe:1.0
  args: `+args+`
  volumeMounts: [{name: ro, mountPath: /ro, readOnly: true}]
volumes: [{name: ro, hostPath: {path: `+dir+`}}]
`)
	}
	for change := range changes {
		s.fails(change, 1)
		contains(t, change, s.logs(change), "read-only file system")
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || readFile(t, filepath.Join(dir, "file")) != "kept" {
		t.Errorf("the folder changed: %v, %v", entries, err)
	}
}

// TestReadOnlyRoot leaves only the volumes to write to.
func TestReadOnlyRoot(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	const spec = `
containers:
- name: main
  image: registry.example/probe:1.0
  args: %s
  securityContext: {readOnlyRootFilesystem: true}
  volumeMounts: [{name: work, mountPath: /work}]
volumes: [{name: work, emptyDir: {}}]
`
	s.pod("root", replaceArgs(spec, "[write, /tmp/file, text]"))
	s.pod("volume", replaceArgs(spec, "[then, write, /work/file, text, --, append, /dev/termination-log, done]"))
	writable := replaceArgs(spec, "[then, write, /tmp/file, text, --, cat, /tmp/file]")
	s.pod("writable", replace(writable, "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false"))
	s.fails("root", 1)
	contains(t, "log", s.logs("root"), "read-only file system")
	s.succeeds("volume")
	equal(t, "root without the setting", s.succeeds("writable"), "text\n")
}

// TestRootIsTheImage keeps a guest in its own files: whatever way it names a
// path, it finds the image's.
func TestRootIsTheImage(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	outside := filepath.Join(s.hostDir(), "secret")
	writeFile(t, outside, "of the node")
	pod := func(name, args string) {
		s.pod(name, "containers: [{name: main, image: 'registry.example/probe:1.0', args: "+args+"}]")
	}
	pod("dots", "[cat, ../../../../.."+outside+"]")
	pod("relative", "[then, symlink, ../../../.."+outside+", /tmp/link, --, cat, /tmp/link]")
	pod("absolute", "[symlink, "+outside+", /tmp/link]")
	pod("passwd", "[then, symlink, ../../../etc/passwd, /tmp/link, --, cat, /tmp/link]")
	for name, text := range map[string]string{
		"dots": "no such file", "relative": "no such file",
		"absolute": "operation not permitted", // WASI has no absolute links
	} {
		s.fails(name, 1)
		contains(t, name, s.logs(name), text)
	}
	contains(t, "the image's users", s.succeeds("passwd"), "app:x:1000:1000:")
}

// TestUser is honoured by the files a guest makes and by those it may not.
func TestUser(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	dir := s.hostDir()
	if err := os.Mkdir(filepath.Join(dir, "of-root"), 0o755); err != nil {
		t.Fatal(err)
	}
	const spec = `
securityContext: {runAsUser: 1234, runAsGroup: 2345, fsGroup: 3456}
containers:
- name: main
  image: registry.example/probe:1.0
  args: %s
  volumeMounts: [{name: out, mountPath: /out}, {name: work, mountPath: /work}]
volumes:
- {name: out, hostPath: {path: ` + "DIR" + `}}
- {name: work, emptyDir: {}}
`
	own := replace(spec, "DIR", dir)
	root := replace(own, "runAsUser: 1234, runAsGroup: 2345, ", "")
	s.pod("allowed", replaceArgs(own, "[then, mkdir, /out/folder, --, write, /work/file, the group's, --, write, /out/file, mine, --, pause]"))
	s.pod("refused", replaceArgs(own, "[write, /out/of-root/file, mine]"))
	s.pod("root", replaceArgs(root, "[write, /out/of-root/file, mine]"))
	s.pod("no-root", replace(replaceArgs(root, "[out, never]"), "fsGroup: 3456", "runAsNonRoot: true"))

	// While it runs: its own volume goes with it.
	uid := s.wait("allowed", lab.Running).Metadata.UID
	s.until(func() error {
		_, err := os.Stat(filepath.Join(dir, "file"))
		return err
	})
	owned(t, filepath.Join(dir, "file"), 1234, 2345)
	owned(t, filepath.Join(dir, "folder"), 1234, 2345)
	owned(t, filepath.Join(cluster.Dir(), "kubelet/pods", uid, "volumes/kubernetes.io~empty-dir/work/file"), 1234, 3456)

	s.fails("refused", 1)
	contains(t, "log", s.logs("refused"), "permission denied")
	s.succeeds("root")
	owned(t, filepath.Join(dir, "of-root", "file"), 0, 0)
	s.event("no-root", "Failed", "container has runAsNonRoot and image will run as root")
}
