// SPDX-License-Identifier: Apache-2.0

// The tests of this package run on a node with SELinux in force and a policy of its
// own, policy.cil.
package selinux_test

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/integration/guests/tiny"
	"github.com/wazelet/wazelet/integration/vm"
	"github.com/wazelet/wazelet/integration/vm/node"
)

//go:embed policy.cil
var policy []byte

// What the tests run. Both touch a file of a volume.
var (
	pause = node.Image{Name: "pause", Programs: map[string][]byte{
		"main": tiny.Pause("ready\n"), "touch": tiny.Touch("volume/command"), "own": tiny.Touch("tmp/own"),
	}}
	touch = node.Image{Name: "touch", Programs: map[string][]byte{"main": tiny.Touch("volume/made")}}
)

// wazelet is the daemon of all tests.
var wazelet *node.Node

func TestMain(m *testing.M) {
	machine := vm.Machine{
		Security:   "landlock,yama,selinux",
		Parameters: []string{"selinux=1", "enforcing=0"}, // until there is a policy
		Tools:      []string{"usr/bin/secilc"},
		Prepare: func() (err error) {
			if err := enforce(); err != nil {
				return fmt.Errorf("policy: %w", err)
			}
			wazelet, err = node.Start(context.Background(), pause, touch)
			return err
		},
	}
	os.Exit(machine.Main(m))
}

// enforce compiles the policy, loads it, puts it in force, and says which labels
// containers have, as a distribution does.
func enforce() error {
	const selinux = "/etc/selinux"
	for name, text := range map[string]string{
		"policy.cil": string(policy),
		"config":     "SELINUX=enforcing\nSELINUXTYPE=wazelet\n",
		"wazelet/contexts/lxc_contexts": `process = "system_u:system_r:container_t:s0"
file = "system_u:object_r:container_file_t:s0"
`,
	} {
		name = filepath.Join(selinux, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			return err
		}
	}
	binary := filepath.Join(selinux, "policy.33")
	if out, err := exec.Command("secilc", "-c", "33", "-o", binary, "-f", "/dev/null", filepath.Join(selinux, "policy.cil")).CombinedOutput(); err != nil {
		return fmt.Errorf("secilc: %w\n%s", err, out)
	}
	compiled, err := os.ReadFile(binary)
	if err != nil {
		return err
	}
	if err := os.WriteFile("/sys/fs/selinux/load", compiled, 0); err != nil {
		return fmt.Errorf("%w\n%s", err, kernelLog())
	}
	return os.WriteFile("/sys/fs/selinux/enforce", []byte("1"), 0)
}

// kernelLog is where the kernel says what is wrong with a policy.
func kernelLog() string {
	const readAll = 3 // SYSLOG_ACTION_READ_ALL
	text := make([]byte, 64<<10)
	n, err := unix.Klogctl(readAll, text)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text[:n])), "\n")
	return strings.Join(lines[max(0, len(lines)-10):], "\n")
}
