// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/wazelet/wazelet/cgroup"
	"github.com/wazelet/wazelet/record"
	"github.com/wazelet/wazelet/sandbox/network"
)

// daemonEnv makes the test binary a daemon that creates one sandbox and dies.
const daemonEnv = "WAZELET_SANDBOX_TEST_DAEMON"

type daemonDirs struct {
	Network           network.Options
	Root, State, Etc  string
	CgroupRoot        string
	Config            Config
	StopBeforeTheEnd  bool
	RemoveAfterTheEnd bool
}

func daemon(arg string) {
	check := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	var d daemonDirs
	check(json.Unmarshal([]byte(arg), &d))
	plugin, err := network.New(d.Network)
	check(err)
	tree, err := cgroup.Open(cgroup.Cgroupfs, d.CgroupRoot)
	check(err)
	c, err := New(Options{Root: d.Root, State: d.State, Network: plugin, Cgroups: tree})
	check(err)
	c.etc = d.Etc
	check(c.Recover(context.Background()))
	sb, err := c.Create(context.Background(), d.Config)
	check(err)
	if d.StopBeforeTheEnd {
		check(c.Stop(context.Background(), sb.ID))
	}
	if d.RemoveAfterTheEnd {
		check(c.Remove(context.Background(), sb.ID))
	}
	check(syscall.Kill(os.Getpid(), syscall.SIGKILL))
}

// dies runs a daemon on the node until it kills itself or a plugin kills it.
func (n *node) dies(d daemonDirs) {
	n.t.Helper()
	d.Network = network.Options{BinDirs: n.net.BinDirs, ConfDir: n.net.ConfDir, CacheDir: n.net.CacheDir}
	d.Root, d.State, d.Etc, d.CgroupRoot = n.options.Root, n.options.State, n.etc, cgroupRoot
	arg, err := json.Marshal(d)
	if err != nil {
		n.t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), daemonEnv+"="+string(arg))
	out, err := cmd.CombinedOutput()
	if err == nil || cmd.ProcessState.String() != "signal: killed" {
		n.t.Fatalf("the daemon was not killed: %v\n%s", err, out)
	}
}

func TestPluginSandboxesSurviveAKilledDaemon(t *testing.T) {
	n := newPluginNode(t)
	n.dies(daemonDirs{Config: podConfig("web")})
	c := n.start()
	all := c.List()
	if len(all) != 1 || all[0].State != StateReady || len(all[0].IPs) != 2 {
		t.Fatalf("%+v", all)
	}
	if again := create(t, c, podConfig("web")); again.ID != all[0].ID {
		t.Error("the retry of the call made another sandbox")
	}
	if err := c.Remove(t.Context(), all[0].ID); err != nil {
		t.Error(err)
	}
	n.expectFiles()
}

func TestPluginStoppedSandboxStaysStopped(t *testing.T) {
	n := newPluginNode(t)
	n.dies(daemonDirs{Config: podConfig("web"), StopBeforeTheEnd: true})
	c := n.start()
	if all := c.List(); len(all) != 1 || all[0].State != StateNotReady || all[0].NetNS != "" || len(all[0].IPs) != 0 {
		t.Errorf("%+v", all)
	}
	if l := n.net.Leases(t); len(l) > 0 {
		t.Errorf("leases %v", l)
	}
}

func TestPluginRemovedSandboxStaysRemoved(t *testing.T) {
	n := newPluginNode(t)
	n.dies(daemonDirs{Config: podConfig("web"), StopBeforeTheEnd: true, RemoveAfterTheEnd: true})
	if all := n.start().List(); len(all) != 0 {
		t.Errorf("%+v", all)
	}
	n.expectFiles()
}

// TestPluginHalfMadeSandboxIsTakenBack: the daemon dies inside the CNI ADD, before
// and after the plugin that gives the addresses.
func TestPluginHalfMadeSandboxIsTakenBack(t *testing.T) {
	const kill = `[ $CNI_COMMAND = ADD ] && kill -9 $PPID; exit 0`
	for name, configure := range map[string]func(*node){
		"before the addresses": func(n *node) { n.net.Configure(t, `{"type":"kill"}`) },
		"after the addresses":  func(n *node) { n.net.Append(t, `{"type":"kill"}`) },
	} {
		t.Run(name, func(t *testing.T) {
			n := newPluginNode(t)
			n.net.Script(t, "kill", kill)
			configure(n)
			n.dies(daemonDirs{Config: podConfig("web")})
			if len(n.files()) < 2 {
				t.Fatalf("nothing to take back: %v", n.files())
			}
			c := n.start()
			if all := c.List(); len(all) != 0 {
				t.Errorf("%+v", all)
			}
			n.expectFiles()
			if pods := podCgroups(t); len(pods) > 0 {
				t.Errorf("cgroups %v", pods)
			}
			if l := n.net.Leases(t); len(l) > 0 {
				t.Errorf("leases %v", l)
			}
			n.net.Script(t, "kill", "cat >/dev/null; echo '{\"cniVersion\":\"1.1.0\",\"ips\":[{\"address\":\"192.0.2.7/24\"}]}'")
			create(t, c, podConfig("web"))
		})
	}
}

// TestPluginWhatCannotBeTakenBackIsLeftToTheKubelet: the plugin does not answer at
// the start, so the sandbox is shown for the kubelet to remove.
func TestPluginWhatCannotBeTakenBackIsLeftToTheKubelet(t *testing.T) {
	n := newPluginNode(t)
	n.net.Script(t, "moody", `[ $CNI_COMMAND = ADD ] && kill -9 $PPID; echo '{"code":11,"msg":"later"}'; exit 1`)
	n.net.Append(t, `{"type":"moody"}`)
	n.dies(daemonDirs{Config: podConfig("web")})
	c := n.start()
	all := c.List()
	if len(all) != 1 || all[0].State != StateNotReady {
		t.Fatalf("%+v", all)
	}
	if err := c.Remove(t.Context(), all[0].ID); err == nil || !strings.Contains(err.Error(), "later") {
		t.Errorf("%v", err)
	}
	n.net.Script(t, "moody", `exit 0`)
	if err := c.Remove(t.Context(), all[0].ID); err != nil {
		t.Error(err)
	}
	n.expectFiles()
}

func TestPluginRebootedNodeHasNoReadySandbox(t *testing.T) {
	for name, reboot := range map[string]func(*node, Sandbox){
		"another boot": func(n *node, sb Sandbox) {
			sb.BootID = "of before"
			n.put(sb)
		},
		"no namespace": func(n *node, sb Sandbox) {
			if sb.NetNS != "" {
				unmount(n.t, sb.NetNS)
			}
			if err := os.RemoveAll(filepath.Join(n.options.State, "sandboxes", sb.ID)); err != nil {
				n.t.Fatal(err)
			}
		},
		"a file on a disk": func(n *node, sb Sandbox) {
			if sb.NetNS != "" {
				unmount(n.t, sb.NetNS)
				if err := os.WriteFile(sb.NetNS, nil, 0o600); err != nil {
					n.t.Fatal(err)
				}
			}
			sb.BootID = "of before"
			n.put(sb)
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := newPluginNode(t)
			c := n.start()
			pod, host := create(t, c, podConfig("web")), create(t, c, nodeConfig("agent"))
			c.Close()
			reboot(n, pod)
			reboot(n, host)
			c = n.start()
			for _, id := range []string{pod.ID, host.ID} {
				sb, err := c.Get(id)
				if err != nil || sb.State != StateNotReady {
					t.Errorf("%s: %s, %v", sb.Name, sb.State, err)
				}
			}
			second := podConfig("web")
			second.Attempt = 1
			create(t, c, second)
			for _, id := range []string{pod.ID, host.ID} {
				if err := c.Stop(t.Context(), id); err != nil {
					t.Error(err)
				}
			}
			if l := n.net.Leases(t); len(l) != 2 {
				t.Errorf("leases %v, want those of the second attempt", l)
			}
		})
	}
}

// put changes the record of a sandbox while there is no daemon.
func (n *node) put(sb Sandbox) {
	n.t.Helper()
	records, err := record.Open[Sandbox](filepath.Join(n.options.Root, "records", "sandboxes"), recordVersion)
	if err != nil {
		n.t.Fatal(err)
	}
	if err := errors.Join(records.Put(sb.ID, sb), records.Close()); err != nil {
		n.t.Fatal(err)
	}
}

func TestPluginDamagedRecordCostsOneSandbox(t *testing.T) {
	n := newPluginNode(t)
	c := n.start()
	lost, kept, newer := create(t, c, podConfig("lost")), create(t, c, podConfig("kept")), create(t, c, podConfig("newer"))
	c.Close()
	file := func(id string) string { return filepath.Join(n.options.Root, "records", "sandboxes", id+".json") }
	if err := os.Truncate(file(lost.ID), 100); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(file(newer.ID))
	if err != nil {
		t.Fatal(err)
	}
	later := strings.Replace(string(whole), `"version":1`, `"version":2`, 1)
	if err := os.WriteFile(file(newer.ID), []byte(later), 0o600); err != nil {
		t.Fatal(err)
	}
	c = n.start()
	if all := c.List(); len(all) != 1 || all[0].ID != kept.ID {
		t.Errorf("%+v", all)
	}
	if l := n.net.Leases(t); len(l) != 4 {
		t.Errorf("leases %v: want those of the kept and the newer one", l)
	}
	left := fmt.Sprint(n.files(), podCgroups(t))
	if strings.Contains(strings.ReplaceAll(left, filepath.Join("corrupt", lost.ID), ""), lost.ID) {
		t.Errorf("left of the lost one: %s", left)
	}
	for _, want := range []string{newer.NetNS, c.Dir(newer.ID), cgroupRoot + "/" + newer.ID} {
		if !strings.Contains(left, want) {
			t.Errorf("taken from the newer one: %s", want)
		}
	}
	c.Close()
	if err := os.WriteFile(file(newer.ID), whole, 0o600); err != nil { // the later release is back
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(n.options.Root, "records", "sandboxes", "corrupt")); err != nil {
		t.Fatal(err)
	}
	if all := n.start().List(); len(all) != 2 {
		t.Errorf("%+v", all)
	}
}

func TestForeignFilesAreNoSandboxes(t *testing.T) {
	n := newNode(t)
	c := n.open()
	for _, path := range []string{
		filepath.Join(n.options.State, "netns", "not-ours"),
		filepath.Join(n.options.Root, "records", "sandboxes", "compiler.json"),
	} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		defer os.Remove(path)
	}
	defer os.RemoveAll(filepath.Join(n.options.Root, "records", "sandboxes", "corrupt"))
	if err := n.options.Cgroups.CreatePodParent("compiler"); err != nil {
		t.Fatal(err)
	}
	if err := c.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(n.options.State, "netns", "not-ours")); err != nil {
		t.Error(err)
	}
	if len(podCgroups(t)) == 0 {
		t.Error("a cgroup that is no sandbox's was removed")
	}
	if err := n.options.Cgroups.RemovePodParent("compiler"); err != nil {
		t.Error(err)
	}
	if err := os.RemoveAll(filepath.Join(n.options.Root, "records")); err != nil {
		t.Fatal(err)
	}
	if err := n.open().Recover(t.Context()); err != nil { // New makes the directory
		t.Error(err)
	}
}
