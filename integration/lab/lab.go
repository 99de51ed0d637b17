// SPDX-License-Identifier: Apache-2.0

// Package lab brings up a one-node Kubernetes cluster of real, unmodified parts
// around a wazelet binary: etcd, API server, scheduler, controller manager and
// kubelet, an OCI registry and the CNI plugins; and, for those who ask, a containerd
// with runc. The demo, the end-to-end tests and the benchmark of pods stand on it.
//
// Everything runs in a network namespace, a mount namespace and a cgroup branch of
// its own, below one scratch folder, so that several laboratories can exist at
// once and nothing of the machine is touched. A typical use:
//
//	cluster, err := lab.New(lab.Options{Dir: dir})
//	...
//	defer cluster.Down(ctx)
//	if err := cluster.Up(ctx); err != nil { ... }
//	cluster.Push(ctx, "registry.example/hello:1", image.Files(...))
//	cluster.Apply(ctx, manifest)
//	pod, err := cluster.WaitPod(ctx, "default", "hello", lab.Succeeded)
//
// A laboratory needs root. One left behind by a killed process is taken down by
// the next New.
package lab

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/wazelet/wazelet/integration/lab/parts"
)

// Options say where a laboratory lives and what it runs.
type Options struct {
	// Dir is the scratch folder: records, logs, images, volumes. It is made
	// when absent and left to the caller after Down, logs and all. Unix
	// sockets below it bound its length, see maxDir.
	Dir string
	// Parts is the folder of the programs package parts builds; by default the
	// repository's cache.
	Parts string
	// Wazelet is the binary under test, with wazelet-worker beside it; by default
	// bin/wazelet in the repository.
	Wazelet string
	// Node is the node's name, by default node0.
	Node string
	// LogLevel is wazelet's, by default debug.
	LogLevel string
	// LogMaxSize is the size at which the kubelet rotates a container's log,
	// by default 10Mi.
	LogMaxSize string
	// WazeletConfig is TOML appended to the generated configuration of wazelet.
	WazeletConfig string
	// Crun is an OCI runtime that StartContainerd offers as the handler crun; "" is none.
	Crun string
	// Pinned are the images that the kubelet is to leave alone, by name.
	Pinned []string
	// RootSize gives wazelet's root, which is the node's image file system, a small ext4
	// of its own, in bytes. By default it is on the scratch folder's file system.
	RootSize int64
	// DiskSize puts the roots of wazelet and containerd and the logs of pods on an ext4 of
	// their own, in bytes, with a journal as distributions make it. By default they are on
	// the scratch folder's file system.
	DiskSize int64
	// Mixed makes a node of both kinds: a containerd runs upstream of wazelet, whose
	// handlers are wasm, runc and runc-other (containerd's) and hybrid. Pods without a
	// RuntimeClass are containerd's unless DefaultHandler says otherwise.
	Mixed bool
	// DefaultHandler is that of pods without a RuntimeClass where Mixed is set, by
	// default runc.
	DefaultHandler string
	// Mirrored are further registries whose images the open registry has.
	Mirrored []string
	// FeatureGates are turned on in the API server and the kubelet.
	FeatureGates []string
	// Kubelet is laid over the kubelet's configuration; a field that is nil is left
	// to the kubelet.
	Kubelet map[string]any
	// Host lays a /etc, /opt and /var/lib of the laboratory's own over the machine's, with
	// a systemd that runs the kubelet, for UpHost; /usr/local is read-only. Programs that
	// install themselves see a node of their own.
	Host bool
	// Log receives a few lines of progress; nil discards them.
	Log io.Writer
}

// maxDir keeps the longest socket path, the kubelet's of a plugin, within the 107
// bytes of sun_path.
const maxDir = 60

// Cluster is one laboratory. Its methods may be called from several goroutines,
// but for Up, Down and those that stop or start a daemon.
type Cluster struct {
	options    Options
	dir        string
	name       string
	tokens     tokens
	namespaces namespaces
	cgroups    *cgroups
	claim      *os.File

	mu        sync.Mutex
	running   map[string]*daemon
	forwarded []net.Listener

	tokenServer *http.Server // of TokenRegistry, nil until StartSecureRegistries
}

// tokens are the bearer tokens of the cluster's users, new for each laboratory.
type tokens struct{ admin, kubelet string }

// New returns a laboratory that is not up yet. It takes down laboratories whose
// process has died without Down.
func New(options Options) (*Cluster, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("laboratory: namespaces and cgroups need root")
	}
	if err := options.complete(); err != nil {
		return nil, fmt.Errorf("laboratory: %w", err)
	}
	if err := Sweep(); err != nil {
		return nil, fmt.Errorf("sweep laboratories of dead processes: %w", err)
	}
	name := "wazelet-lab-" + random(4)
	groups, err := findCgroups(name)
	if err != nil {
		return nil, err
	}
	return &Cluster{
		options:    options,
		dir:        options.Dir,
		name:       name,
		tokens:     tokens{admin: random(16), kubelet: random(16)},
		namespaces: namespaces{dir: filepath.Join(claims, name, "ns")},
		cgroups:    groups,
		running:    map[string]*daemon{},
	}, nil
}

func (o *Options) complete() error {
	if o.Dir == "" {
		return errors.New("Options.Dir is empty")
	}
	var err error
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return err
	}
	if len(o.Dir) > maxDir {
		return fmt.Errorf("%s: longer than %d bytes, sockets below it would not fit", o.Dir, maxDir)
	}
	if o.Parts == "" || o.Wazelet == "" {
		repo, err := parts.Repo()
		if err != nil {
			return err
		}
		o.Parts = or(o.Parts, filepath.Join(parts.Cache(repo), "bin"))
		o.Wazelet = or(o.Wazelet, filepath.Join(repo, "bin", "wazelet"))
	}
	o.Node = or(o.Node, "node0")
	o.LogLevel = or(o.LogLevel, "debug")
	o.DefaultHandler = or(o.DefaultHandler, "runc")
	o.LogMaxSize = or(o.LogMaxSize, "10Mi")
	if o.Log == nil {
		o.Log = io.Discard
	}
	return nil
}

func or(value, fallback string) string {
	if value == "" {
		return fallback
	}
	return value
}

func random(bytes int) string {
	b := make([]byte, bytes)
	rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// path returns a path below the scratch folder.
func (c *Cluster) path(elem ...string) string {
	return filepath.Join(append([]string{c.dir}, elem...)...)
}

// part returns the path of one of the parts.
func (c *Cluster) part(name string) string { return filepath.Join(c.options.Parts, name) }

// PartsDir returns the folder of kubectl, crictl, critest and the other parts.
func (c *Cluster) PartsDir() string { return c.options.Parts }

// Dir returns the scratch folder.
func (c *Cluster) Dir() string { return c.dir }

// Node returns the node's name.
func (c *Cluster) Node() string { return c.options.Node }

// NodeIP returns the node's address in the laboratory's network, and its pods'
// status.hostIP.
func (c *Cluster) NodeIP() string { return nodeIP }

// NodeIPv6 returns the node's other address.
func (c *Cluster) NodeIPv6() string { return nodeIPv6 }

// Socket returns the path of wazelet's CRI socket, valid inside and outside the
// laboratory's namespaces.
func (c *Cluster) Socket() string { return c.path("run", "wazelet.sock") }

// PodLogs returns the folder of the pods' logs (the kubelet's podLogsDir).
func (c *Cluster) PodLogs() string { return c.path("pods") }

// Root returns wazelet's root folder: images, module cache, records. Where it has a file
// system of its own, only the laboratory's mount namespace shows it, see Inside.
func (c *Cluster) Root() string { return c.path("wazelet") }

// CgroupParent returns the cgroup that the laboratory's pods without a kubelet have
// theirs in, as the API's cgroup_parent: the named one below its own branch.
func (c *Cluster) CgroupParent(name string) string { return "/" + c.name + "/" + name }

// CDI returns the folder of wazelet's CDI files.
func (c *Cluster) CDI() string { return c.path("cdi") }

// State returns wazelet's state folder: network namespaces and sockets.
func (c *Cluster) State() string { return c.path("run") }

// NetNS returns the path of the laboratory's network namespace, which is the
// node's: what hostNetwork pods live in.
func (c *Cluster) NetNS() string { return c.namespaces.net() }

// MountNS returns the path of the laboratory's mount namespace.
func (c *Cluster) MountNS() string { return c.namespaces.mnt() }

// Inside returns where a path of the laboratory's mount namespace is seen from outside,
// while the laboratory is up.
func (c *Cluster) Inside(path string) string {
	return filepath.Join("/proc", strconv.Itoa(c.PID("registry")), "root", path)
}

// PID returns the process id of a running daemon, or 0.
func (c *Cluster) PID(name string) int {
	if d := c.daemon(name); d != nil && !d.hasEnded() {
		return d.cmd.Process.Pid
	}
	return 0
}

func (c *Cluster) printf(format string, args ...any) {
	fmt.Fprintf(c.options.Log, format+"\n", args...)
}
