// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/wazelet/wazelet/cgroup"
	"github.com/wazelet/wazelet/sandbox/internal/nodetest"
	"github.com/wazelet/wazelet/sandbox/network"
)

func TestMain(m *testing.M) {
	if dirs := os.Getenv(daemonEnv); dirs != "" {
		daemon(dirs)
	}
	nodetest.Main(m, cgroupsLeft)
}

// cgroupRoot is this test run's own part of the host's hierarchies.
var cgroupRoot = fmt.Sprintf("/wazelet-sandbox-test-%d", os.Getpid())

func cgroupsLeft() []string {
	var left []string
	for _, pattern := range []string{"/sys/fs/cgroup/*" + cgroupRoot, "/sys/fs/cgroup" + cgroupRoot} {
		found, _ := filepath.Glob(pattern)
		left = append(left, found...)
	}
	return left
}

// podCgroups lists the cgroups that controllers of this run made for pods.
func podCgroups(t testing.TB) []string {
	t.Helper()
	var pods []string
	for _, dir := range cgroupsLeft() {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.IsDir() {
				pods = append(pods, filepath.Join(dir, e.Name()))
			}
		}
	}
	return pods
}

// node is a controller's surroundings, which outlive it.
type node struct {
	t       testing.TB
	net     *nodetest.Network
	options Options
	etc     string
}

// newNode is a node without a network for pods.
func newNode(t testing.TB) *node {
	t.Helper()
	return newNodeOn(t, nodetest.NewBare(t))
}

// newPluginNode is a node with the real plugins.
func newPluginNode(t testing.TB) *node {
	t.Helper()
	return newNodeOn(t, nodetest.NewNetwork(t))
}

func newNodeOn(t testing.TB, net *nodetest.Network) *node {
	t.Helper()
	plugin, err := network.New(network.Options{BinDirs: net.BinDirs, ConfDir: net.ConfDir, CacheDir: net.CacheDir})
	if err != nil {
		t.Fatal(err)
	}
	tree, err := cgroup.Open(cgroup.Cgroupfs, cgroupRoot)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	n := &node{t: t, net: net, etc: filepath.Join(dir, "etc"), options: Options{
		Root: filepath.Join(dir, "root"), State: filepath.Join(dir, "state"), Network: plugin, Cgroups: tree,
	}}
	if err := os.Mkdir(n.etc, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if pods := podCgroups(t); len(pods) > 0 {
			t.Errorf("cgroups left: %v", pods)
		}
		for _, dir := range cgroupsLeft() {
			if err := os.Remove(dir); err != nil {
				t.Error(err)
			}
		}
		n.expectFiles()
	})
	return n
}

// files lists what of sandboxes is in the node's directories.
func (n *node) files() []string {
	n.t.Helper()
	var all []string
	for _, pattern := range []string{
		filepath.Join(n.options.State, "*", "*"),
		filepath.Join(n.options.Root, "records", "sandboxes", "[^_]*"), // but no journal
		filepath.Join(n.net.CacheDir, "results", "*"),
	} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			n.t.Fatal(err)
		}
		all = append(all, found...)
	}
	return all
}

func (n *node) expectFiles(want ...string) {
	n.t.Helper()
	if got := n.files(); fmt.Sprint(got) != fmt.Sprint(want) {
		n.t.Errorf("files %v, want %v", got, want)
	}
}

// start is the daemon's start: a controller that has recovered.
func (n *node) start() *Controller {
	n.t.Helper()
	c := n.open()
	if err := c.Recover(context.Background()); err != nil {
		n.t.Fatal(err)
	}
	return c
}

// open is a controller before its recovery. With the test's end it closes, and
// what it still has is removed.
func (n *node) open() *Controller {
	n.t.Helper()
	c, err := New(n.options)
	if err != nil {
		n.t.Fatal(err)
	}
	c.etc = n.etc
	n.t.Cleanup(func() {
		for _, sb := range c.List() {
			if err := c.Remove(context.Background(), sb.ID); err != nil && !c.closed {
				n.t.Error(err)
			}
		}
		c.Close()
	})
	return c
}

func podConfig(name string) Config {
	return Config{
		Metadata: Metadata{Name: name, Namespace: "ns", UID: "uid-" + name}, Network: NetworkPod, Handler: "wasm",
		Hostname: name, Labels: map[string]string{"app": name}, LogDirectory: "/var/log/pods/" + name,
	}
}

func nodeConfig(name string) Config {
	c := podConfig(name)
	c.Network = NetworkNode
	return c
}

func create(t testing.TB, c *Controller, config Config) Sandbox {
	t.Helper()
	sb, err := c.Create(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	return sb
}
