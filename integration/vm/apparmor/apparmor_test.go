// SPDX-License-Identifier: Apache-2.0

package apparmor_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/integration/vm/node"
)

// What a guest that may not write sees (preview 1's errno acces).
const noAccess = 2

// common is what container profiles usually allow: the walls of their own are
// rules that deny.
const common = `file, network, unix, capability, signal (receive) peer=unconfined, signal peer=@{profile_name},`

// load puts a profile into the kernel for the test's time.
func load(t *testing.T, name, flags, rules string) {
	t.Helper()
	text := fmt.Sprintf("profile %s flags=(%s) { %s }\n", name, flags, strings.ReplaceAll(rules, "@{profile_name}", name))
	parser(t, "--replace", text)
	t.Cleanup(func() { parser(t, "--remove", text) })
}

func parser(t *testing.T, what, text string) {
	t.Helper()
	cmd := exec.Command("apparmor_parser", what, "--skip-cache", "--base", "/tmp", "--quiet", "--policy-features", "/sys/kernel/security/apparmor/features")
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("apparmor_parser %s: %v\n%s\n%s", what, err, out, text)
	}
}

// with asks for a profile of the node.
func with(c *runtimeapi.ContainerConfig, profile string) *runtimeapi.ContainerConfig {
	c.Linux.SecurityContext.Apparmor = &runtimeapi.SecurityProfile{ProfileType: runtimeapi.SecurityProfile_Localhost, LocalhostRef: profile}
	return c
}

// labels are the labels of a process's threads.
func labels(t *testing.T, pid int) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/attr/apparmor/current", pid))
	if err != nil || len(files) < 2 {
		t.Fatalf("threads of the worker: %q, %v", files, err)
	}
	all := map[string]bool{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all[string(bytes.TrimSpace(text))] = true
	}
	return all
}

// TestAppArmorProfile is in force for every thread of the container and for the
// commands in it.
func TestAppArmorProfile(t *testing.T) {
	const profile = "wazelet-deny-write"
	load(t, profile, "attach_disconnected", common+" deny /tmp/** w,")
	p := wazelet.Pod(t, node.Sandbox("profile"))
	if s := p.Ended(p.Run(node.Container(touch))); s.GetExitCode() != 0 {
		t.Fatalf("without a profile: %v", s)
	}
	c := with(node.Container(touch), profile)
	c.Metadata.Attempt = 1
	if s := p.Ended(p.Run(c)); s.GetExitCode() != noAccess {
		t.Errorf("under the profile a file was opened for writing: %v", s)
	}
	c = with(node.Container(pause), "localhost/"+profile)
	c.Metadata.Attempt = 2
	id := p.Run(c)
	if have := labels(t, p.Pid(id)); len(have) != 1 || !have[profile+" (enforce)"] {
		t.Errorf("labels of the threads: %v", have)
	}
	if _, err := p.Exec(id, "/touch.wasm"); err == nil || !strings.Contains(err.Error(), "exited with "+strconv.Itoa(noAccess)) {
		t.Errorf("a command under the profile: %v", err)
	}
	if err := wazelet.Runtime.StopContainer(t.Context(), id, 10); err != nil {
		t.Error(err)
	}
	if s := p.Status(id); s.GetExitCode() != 143 {
		t.Errorf("stopped: %v", s)
	}
}

// TestAppArmorWithoutForce: a profile that only complains, and what needs none.
func TestAppArmorWithoutForce(t *testing.T) {
	const profile = "wazelet-complain"
	load(t, profile, "complain", "network,")
	p := wazelet.Pod(t, node.Sandbox("complain"))
	id := p.Run(with(node.Container(pause), profile))
	if have := labels(t, p.Pid(id)); len(have) != 1 || !have[profile+" (complain)"] {
		t.Errorf("labels of the threads: %v", have)
	}
	if out, err := p.Exec(id, "/touch.wasm"); err != nil {
		t.Errorf("a command: %v, %q", err, out)
	}
	for i, kind := range []runtimeapi.SecurityProfile_ProfileType{runtimeapi.SecurityProfile_RuntimeDefault, runtimeapi.SecurityProfile_Unconfined} {
		c := node.Container(pause)
		c.Metadata.Attempt = uint32(i + 1)
		c.Linux.SecurityContext.Apparmor = &runtimeapi.SecurityProfile{ProfileType: kind}
		if have := labels(t, p.Pid(p.Run(c))); len(have) != 1 || !have["unconfined"] {
			t.Errorf("%s: labels %v", kind, have)
		}
	}
}

// TestAppArmorInUserNamespace: the pod's own root is under the profile as well.
func TestAppArmorInUserNamespace(t *testing.T) {
	const profile = "wazelet-userns"
	load(t, profile, "attach_disconnected", common+" deny /tmp/** w,")
	ids := []*runtimeapi.IDMapping{{HostId: 100000, ContainerId: 0, Length: 65536}}
	userns := &runtimeapi.UserNamespace{Mode: runtimeapi.NamespaceMode_POD, Uids: ids, Gids: ids}
	config := node.Sandbox("userns")
	config.Linux.SecurityContext.NamespaceOptions.UsernsOptions = userns
	p := wazelet.Pod(t, config)
	c := with(node.Container(pause), profile)
	c.Linux.SecurityContext.NamespaceOptions = &runtimeapi.NamespaceOption{Network: runtimeapi.NamespaceMode_NODE, UsernsOptions: userns}
	id := p.Run(c)
	if have := labels(t, p.Pid(id)); len(have) != 1 || !have[profile+" (enforce)"] {
		t.Errorf("labels of the threads: %v", have)
	}
	if _, err := p.Exec(id, "/touch.wasm"); err == nil || !strings.Contains(err.Error(), "exited with "+strconv.Itoa(noAccess)) {
		t.Errorf("a command under the profile: %v", err)
	}
}

// TestUnloadedProfileIsRefused, by its name, whoever asks for it and however.
func TestUnloadedProfileIsRefused(t *testing.T) {
	const profile = "wazelet-nowhere"
	refused := func(what string, err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), "AppArmor profile "+profile+": not loaded on this node") {
			t.Errorf("%s: %v", what, err)
		}
	}
	config := node.Sandbox("refused")
	config.Linux.SecurityContext.Apparmor = &runtimeapi.SecurityProfile{ProfileType: runtimeapi.SecurityProfile_Localhost, LocalhostRef: profile}
	_, err := wazelet.Runtime.RunPodSandbox(t.Context(), config, "")
	refused("pod", err)
	p := wazelet.Pod(t, node.Sandbox("refused"))
	_, err = p.Create(with(node.Container(pause), profile))
	refused("container", err)
	c := node.Container(pause)
	c.Linux.SecurityContext.ApparmorProfile = "localhost/" + profile //nolint:staticcheck // old clients still send the deprecated field
	_, err = p.Create(c)
	refused("container, deprecated", err)
	list, err := wazelet.Runtime.ListContainers(t.Context(), &runtimeapi.ContainerFilter{PodSandboxId: p.ID})
	if err != nil || len(list) > 0 {
		t.Errorf("left behind: %v, %v", list, err)
	}
}

// TestProfileThatTakesTheReins: one under which the container could not be stopped
// is refused with the rule that is missing, and nothing goes on running.
func TestProfileThatTakesTheReins(t *testing.T) {
	for name, tt := range map[string]struct{ rules, want string }{
		"wazelet-deaf":    {"file, network, unix, capability, signal (receive) peer=nobody,", "signal (receive) peer=unconfined,"},
		"wazelet-sockets": {"file, network, deny network unix, capability, signal (receive) peer=unconfined,", "network unix,"},
	} {
		load(t, name, "attach_disconnected", tt.rules)
		p := wazelet.Pod(t, node.Sandbox(name))
		_, err := p.Create(with(node.Container(pause), name))
		if err == nil || !strings.Contains(err.Error(), "AppArmor profile "+name+": forbids") || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestProfileTakenAway: a command is not run without the profile its container has.
func TestProfileTakenAway(t *testing.T) {
	const profile = "wazelet-gone"
	text := "profile " + profile + " flags=(attach_disconnected) { " + strings.ReplaceAll(common, "@{profile_name}", profile) + " }\n"
	parser(t, "--replace", text)
	p := wazelet.Pod(t, node.Sandbox("gone"))
	id := p.Run(with(node.Container(pause), profile))
	parser(t, "--remove", text)
	if _, err := p.Exec(id, "/touch.wasm"); err == nil || !strings.Contains(err.Error(), "126") {
		t.Errorf("a command: %v", err)
	}
}
