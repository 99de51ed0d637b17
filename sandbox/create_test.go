// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/containerd/errdefs"

	"github.com/wazelet/wazelet/sandbox/network"
	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/sandbox/netns"
)

func unmount(t testing.TB, path string) {
	t.Helper()
	if err := errors.Join(unix.Unmount(path, unix.MNT_DETACH), os.Remove(path)); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Error(err)
	}
	return string(data)
}

func TestPluginAPodsWholeLife(t *testing.T) {
	n := newPluginNode(t)
	c := n.start()
	if err := c.NetworkReady(); err != nil {
		t.Fatal(err)
	}
	before := time.Now()
	config := podConfig("web")
	config.DNS = DNS{Servers: []string{"192.0.2.53", "fd00::53"}, Searches: []string{"ns.svc", "svc"}, Options: []string{"ndots:5"}}
	sb := create(t, c, config)
	if !isID(sb.ID) || sb.State != StateReady || sb.CreatedAt.Before(before) || len(sb.IPs) != 2 || len(sb.CNI) == 0 {
		t.Errorf("%+v", sb)
	}
	if got, err := c.Get(sb.ID); err != nil || !reflect.DeepEqual(got, sb) {
		t.Errorf("%+v, %v", got, err)
	}
	for name, want := range map[string]string{
		"hosts":       "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n" + sb.IPs[0] + "\tweb\n" + sb.IPs[1] + "\tweb\n",
		"hostname":    "web\n",
		"resolv.conf": "search ns.svc svc\nnameserver 192.0.2.53\nnameserver fd00::53\noptions ndots:5\n",
	} {
		if got := read(t, filepath.Join(c.Dir(sb.ID), name)); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if len(podCgroups(t)) == 0 {
		t.Error("no cgroup for a pod whose caller gave none")
	}
	if l := n.net.Leases(t); len(l) != 2 {
		t.Errorf("leases %v", l)
	}
	for range 2 {
		if err := c.Stop(t.Context(), sb.ID); err != nil {
			t.Fatal(err)
		}
		stopped, err := c.Get(sb.ID)
		if err != nil || stopped.State != StateNotReady || stopped.NetNS != "" || stopped.IPs != nil || stopped.Attachment != nil {
			t.Errorf("%+v, %v", stopped, err)
		}
		if l := n.net.Leases(t); len(l) != 0 {
			t.Errorf("leases %v", l)
		}
	}
	for range 2 {
		if err := c.Remove(t.Context(), sb.ID); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Get(sb.ID); !errdefs.IsNotFound(err) {
		t.Errorf("%v", err)
	}
	if err := c.Stop(t.Context(), sb.ID); !errdefs.IsNotFound(err) {
		t.Errorf("%v", err)
	}
	n.expectFiles()
}

func TestAPodOnTheNodesNetwork(t *testing.T) {
	n := newNode(t)
	c := n.start()
	if err := os.WriteFile(filepath.Join(n.etc, "resolv.conf"), []byte("nameserver 192.0.2.1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	config := nodeConfig("agent")
	config.Hostname, config.CgroupParent = "", "/kubepods/pod1"
	sb := create(t, c, config)
	hostname, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	if sb.NetNS != "" || len(sb.IPs) != 0 || sb.Hostname != hostname {
		t.Errorf("%+v", sb)
	}
	if got := read(t, filepath.Join(c.Dir(sb.ID), "hostname")); got != hostname+"\n" {
		t.Errorf("hostname %q", got)
	}
	if got := read(t, filepath.Join(c.Dir(sb.ID), "resolv.conf")); got != "nameserver 192.0.2.1\n" {
		t.Errorf("resolv.conf %q", got)
	}
	if got := read(t, filepath.Join(c.Dir(sb.ID), "hosts")); !strings.Contains(got, "localhost") {
		t.Errorf("hosts %q", got)
	}
	if len(podCgroups(t)) != 0 {
		t.Error("a cgroup beside the caller's")
	}
	if err := os.WriteFile(filepath.Join(n.etc, "hosts"), []byte("192.0.2.9 registry\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	second := create(t, c, nodeConfig("agent2"))
	if got := read(t, filepath.Join(c.Dir(second.ID), "hosts")); got != "192.0.2.9 registry\n" {
		t.Errorf("hosts %q", got)
	}
	info, err := os.Stat(filepath.Join(c.Dir(second.ID), "hosts"))
	if err != nil || info.Mode() != 0o644 {
		t.Errorf("mode %v, %v: every user must be able to read it", info.Mode(), err)
	}
	for range 2 {
		if err := c.Stop(t.Context(), sb.ID); err != nil {
			t.Error(err)
		}
	}
}

func TestRepeatedCreate(t *testing.T) {
	n := newNode(t)
	c := n.start()
	first := create(t, c, nodeConfig("a"))
	again := nodeConfig("a")
	again.Labels, again.Annotations = map[string]string{"changed": "yes"}, map[string]string{"b": "c"}
	if sb := create(t, c, again); sb.ID != first.ID {
		t.Error("a retry made a second sandbox")
	}
	other := nodeConfig("a")
	other.Handler = "other"
	if _, err := c.Create(t.Context(), other); !errdefs.IsAlreadyExists(err) || !strings.Contains(err.Error(), first.ID) {
		t.Errorf("another pod under the same name: %v", err)
	}
	for what, change := range map[string]func(*Config){
		"attempt": func(c *Config) { c.Attempt = 1 }, "uid": func(c *Config) { c.UID = "x" }, "namespace": func(c *Config) { c.Namespace = "x" },
	} {
		config := nodeConfig("a")
		change(&config)
		if sb := create(t, c, config); sb.ID == first.ID {
			t.Errorf("another %s is the same sandbox", what)
		}
	}
	if err := c.Stop(t.Context(), first.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Create(t.Context(), nodeConfig("a")); !errdefs.IsAlreadyExists(err) || !strings.Contains(err.Error(), "remove it first") {
		t.Errorf("a stopped one: %v", err)
	}
	if err := c.Remove(t.Context(), first.ID); err != nil {
		t.Fatal(err)
	}
	if sb := create(t, c, nodeConfig("a")); sb.ID == first.ID {
		t.Error("a removed sandbox is back")
	}
	if got := len(c.List()); got != 4 {
		t.Errorf("%d sandboxes", got)
	}
}

func TestTheCallersMapsStayTheirs(t *testing.T) {
	n := newNode(t)
	c := n.start()
	config := nodeConfig("a")
	sb := create(t, c, config)
	config.Labels["app"] = "changed"
	if got, _ := c.Get(sb.ID); got.Labels["app"] != "a" {
		t.Error("a change of the caller's reaches the sandbox")
	}
}

// gate is a plugin that waits, in ADD or DEL, until it is let through.
type gate struct{ waiting, open string }

func (n *node) gate(command string) gate {
	n.t.Helper()
	dir := n.t.TempDir()
	g := gate{filepath.Join(dir, "waiting"), filepath.Join(dir, "open")}
	for _, fifo := range []string{g.waiting, g.open} {
		if err := unix.Mkfifo(fifo, 0o600); err != nil {
			n.t.Fatal(err)
		}
	}
	n.net.Script(n.t, "gate", fmt.Sprintf(`cat > "$0.in"
case $CNI_COMMAND in
%s) echo > %s; read line < %s; echo "{\"cniVersion\":\"1.1.0\",\"ips\":[{\"address\":\"192.0.2.7/24\"}]}"; echo x >> "$0.count" ;;
ADD) echo "{\"cniVersion\":\"1.1.0\",\"ips\":[{\"address\":\"192.0.2.7/24\"}]}" ;;
esac`, command, g.waiting, g.open))
	n.net.Append(n.t, `{"type":"gate"}`)
	return g
}

// reached waits until the plugin is at the gate.
func (g gate) reached(t *testing.T) { _ = read(t, g.waiting) }

func (g gate) let(t *testing.T) {
	t.Helper()
	if err := os.WriteFile(g.open, []byte("\n"), 0); err != nil {
		t.Fatal(err)
	}
}

func TestPluginCreateGoesOnWithoutItsCaller(t *testing.T) {
	n := newPluginNode(t)
	g := n.gate("ADD")
	c := n.start()
	ctx, giveUp := context.WithCancelCause(t.Context())
	failed := make(chan error)
	go func() {
		_, err := c.Create(ctx, podConfig("web"))
		failed <- err
	}()
	g.reached(t)
	impatient := errors.New("impatient")
	giveUp(impatient)
	if err := <-failed; !errors.Is(err, impatient) {
		t.Errorf("%v", err)
	}
	// Nobody who looks waits for it, and nobody sees what is half made.
	if all := c.List(); len(all) != 0 {
		t.Errorf("%+v", all)
	}
	var retries sync.WaitGroup
	ids := make(chan string, 5)
	for range cap(ids) {
		retries.Go(func() {
			sb, err := c.Create(t.Context(), podConfig("web"))
			if err != nil {
				t.Error(err)
			}
			ids <- sb.ID
		})
	}
	g.let(t)
	retries.Wait()
	close(ids)
	first := <-ids
	for id := range ids {
		if id != first {
			t.Errorf("%s and %s", first, id)
		}
	}
	if got := read(t, filepath.Join(n.net.BinDirs[0], "gate.count")); got != "x\n" {
		t.Errorf("attached %d times", len(got)/2)
	}
	if len(c.List()) != 1 {
		t.Error("not one sandbox")
	}
}

func TestPluginReadsDoNotWaitForAStop(t *testing.T) {
	n := newPluginNode(t)
	g := n.gate("DEL")
	c := n.start()
	sb := create(t, c, podConfig("web"))
	done := make(chan error, 2)
	go func() { done <- c.Stop(t.Context(), sb.ID) }()
	g.reached(t)
	if got, err := c.Get(sb.ID); err != nil || got.State != StateNotReady {
		t.Errorf("%v, %v", got.State, err)
	}
	if all := c.List(); len(all) != 1 {
		t.Errorf("%v", all)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Remove(ctx, sb.ID); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	go func() { done <- c.Stop(t.Context(), sb.ID) }() // joins
	g.let(t)
	for range cap(done) {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	// The Remove whose caller gave up goes on; a second one waits for it.
	if err := c.Remove(t.Context(), sb.ID); err != nil {
		t.Error(err)
	}
	n.expectFiles()
}

func TestPluginCloseTakesAHalfMadeSandboxBack(t *testing.T) {
	n := newPluginNode(t)
	g := n.gate("ADD")
	c := n.start()
	failed := make(chan error)
	go func() {
		_, err := c.Create(t.Context(), podConfig("web"))
		failed <- err
	}()
	g.reached(t)
	c.Close()
	if err := <-failed; !errdefs.IsUnavailable(err) || !strings.Contains(err.Error(), "shutting down") {
		t.Errorf("%v", err)
	}
	n.expectFiles()
	if _, err := c.Create(t.Context(), podConfig("late")); !errdefs.IsUnavailable(err) {
		t.Errorf("after Close: %v", err)
	}
}

// TestPluginCloseLeavesNothingOfAPodThatWaits for the plugins of another one.
func TestPluginCloseLeavesNothingOfAPodThatWaits(t *testing.T) {
	n := newPluginNode(t)
	g := n.gate("ADD")
	n.net.Script(t, "count", `cat > /dev/null
echo $CNI_COMMAND >> "$0.count"
[ $CNI_COMMAND = DEL ] || echo '{"cniVersion":"1.1.0","ips":[{"address":"192.0.2.7/24"}]}'`)
	n.net.Configure(t, `{"type":"count"}`, `{"type":"gate"}`)
	plugin, err := network.New(network.Options{BinDirs: n.net.BinDirs, ConfDir: n.net.ConfDir, CacheDir: n.net.CacheDir, AtOnce: 1})
	if err != nil {
		t.Fatal(err)
	}
	n.options.Network = plugin
	c := n.start()
	failed := make(chan error)
	run := func(name string) {
		_, err := c.Create(t.Context(), podConfig(name))
		failed <- err
	}
	go run("web")
	g.reached(t)
	go run("behind")
	c.Close()
	for range 2 {
		if err := <-failed; !errdefs.IsUnavailable(err) {
			t.Errorf("%v", err)
		}
	}
	if got := read(t, filepath.Join(n.net.BinDirs[0], "count.count")); got != "ADD\nDEL\n" {
		t.Errorf("the plugins ran to %q", got)
	}
	n.expectFiles()
}

func TestPluginFailedCreateLeavesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		arrange func(n *node, config *Config)
		says    string
	}{
		"no network configured": {func(n *node, _ *Config) {
			if err := os.Remove(filepath.Join(n.net.ConfDir, "10-test.conflist")); err != nil {
				n.t.Fatal(err)
			}
		}, "network: no CNI configuration in "},
		"the plugin fails": {func(n *node, _ *Config) {
			n.net.Script(n.t, "bad", `[ $CNI_COMMAND = DEL ] && exit 0; echo '{"code":100,"msg":"pool exhausted"}'; exit 1`)
			n.net.Append(n.t, `{"type":"bad"}`)
		}, "pool exhausted"},
		"no plugin": {func(n *node, _ *Config) { n.net.Configure(n.t, `{"type":"absent"}`) }, `no plugin "absent"`},
		"no such sysctl": {func(_ *node, config *Config) {
			config.Sysctls = map[string]string{"net.ipv4.never": "1"}
		}, "sysctl net.ipv4.never"},
		"a bad sysctl value": {func(_ *node, config *Config) {
			config.Sysctls = map[string]string{"net.ipv4.ip_unprivileged_port_start": "many"}
		}, `="many"`},
		"no such sysctl of ipc": {func(_ *node, config *Config) {
			config.Sysctls = map[string]string{"kernel.shm_never": "1"}
		}, "sysctl kernel.shm_never"},
		"a bad sysctl value of ipc": {func(_ *node, config *Config) {
			config.Sysctls = map[string]string{"fs.mqueue.msg_max": "many"}
		}, `sysctl fs.mqueue.msg_max="many"`},
		"the node's resolv.conf is absurd": {func(n *node, _ *Config) {
			if err := os.WriteFile(filepath.Join(n.etc, "resolv.conf"), make([]byte, 2<<20), 0o600); err != nil {
				n.t.Fatal(err)
			}
		}, "resolv.conf: more than"},
		"the namespaces' directory is a file": {func(n *node, _ *Config) {
			path := filepath.Join(n.options.State, "netns")
			if err := errors.Join(os.Remove(path), os.WriteFile(path, nil, 0o600)); err != nil {
				n.t.Fatal(err)
			}
		}, "network namespace"},
		"no room for the record": {func(_ *node, config *Config) {
			config.Annotations = map[string]string{"big": strings.Repeat("x", 5<<20)}
		}, "record"},
	} {
		t.Run(name, func(t *testing.T) {
			n := newPluginNode(t)
			ctl := n.start()
			config := podConfig("web")
			c.arrange(n, &config)
			_, err := ctl.Create(t.Context(), config)
			if err == nil || !strings.Contains(err.Error(), c.says) || !strings.HasPrefix(err.Error(), "sandbox ns/web (attempt 0): ") {
				t.Errorf("%v: does not say %q", err, c.says)
			}
			if all := ctl.List(); len(all) != 0 {
				t.Errorf("%+v", all)
			}
			n.expectFiles()
			if pods := podCgroups(t); len(pods) > 0 {
				t.Errorf("cgroups %v", pods)
			}
			if l := n.net.Leases(t); len(l) > 0 {
				t.Errorf("leases %v", l)
			}
		})
	}
}

// TestPluginWhatCannotBeRolledBackIsShown, so that the kubelet removes it.
func TestPluginWhatCannotBeRolledBackIsShown(t *testing.T) {
	n := newPluginNode(t)
	n.net.Script(t, "stuck", `echo '{"code":100,"msg":"stuck in '$CNI_COMMAND'"}'; exit 1`)
	n.net.Append(t, `{"type":"stuck"}`)
	c := n.start()
	_, err := c.Create(t.Context(), podConfig("web"))
	if err == nil || !strings.Contains(err.Error(), "stuck in ADD") || !strings.Contains(err.Error(), "undo network") {
		t.Errorf("%v", err)
	}
	all := c.List()
	if len(all) != 1 || all[0].State != StateNotReady {
		t.Fatalf("%+v", all)
	}
	if err := c.Stop(t.Context(), all[0].ID); err == nil || !strings.Contains(err.Error(), "stuck in DEL") {
		t.Errorf("%v", err)
	}
	c.Close()
	c = n.start() // it is remembered
	n.net.Script(t, "stuck", `exit 0`)
	if err := c.Remove(t.Context(), all[0].ID); err != nil {
		t.Error(err)
	}
	n.expectFiles()
}

func TestPluginSysctlsAreThePodsOwn(t *testing.T) {
	n := newPluginNode(t)
	c := n.start()
	const name, file = "net.ipv4.conf.eth0.arp_ignore", "/proc/sys/net/ipv4/conf/eth0/arp_ignore"
	const ports = "/proc/sys/net/ipv4/ip_unprivileged_port_start"
	host := read(t, ports)
	config := podConfig("web")
	config.Sysctls = map[string]string{name: "2", "net/ipv4/ip_local_port_range": "20000 20100"}
	sb := create(t, c, config)
	config = podConfig("strict")
	config.Sysctls = map[string]string{unprivilegedPorts: "1024"}
	strict := create(t, c, config)
	err := errors.Join(
		netns.Do(sb.NetNS, func() error {
			for f, want := range map[string]string{file: "2\n", ports: "0\n", "/proc/sys/net/ipv4/ip_local_port_range": "20000\t20100\n"} {
				if got := read(t, f); got != want {
					t.Errorf("%s is %q, want %q", f, got, want)
				}
			}
			l, err := net.Listen("tcp", ":80")
			if err == nil {
				err = l.Close()
			}
			return err
		}),
		netns.Do(strict.NetNS, func() error {
			if got := read(t, ports); got != "1024\n" {
				t.Errorf("asked for 1024, is %q", got)
			}
			return nil
		}),
	)
	if err != nil {
		t.Error(err)
	}
	if got := read(t, ports); got != host {
		t.Errorf("the node's is %q, was %q", got, host)
	}
}
