// SPDX-License-Identifier: Apache-2.0

// Package nodetest makes a test process a node of its own: it has a network
// and a mount namespace in which real CNI plugins may do as they like, and in
// which it is seen what a test leaves behind.
package nodetest

import (
	"fmt"
	"os"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/moby/sys/mountinfo"
	"github.com/vishvananda/netlink"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

const insideEnv = "WAZELET_TEST_NODE"

// Main is a TestMain. It moves the process into namespaces of its own before
// the tests, and afterwards fails on goroutines, mounts and network devices
// that they left, and on what more finds.
func Main(m *testing.M, more ...func() []string) {
	enter()
	before := left(more)
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		for _, what := range left(more) {
			if !slices.Contains(before, what) {
				fmt.Fprintln(os.Stderr, "left behind:", what)
				code = max(code, 1)
			}
		}
		os.Exit(code) //nolint:forbidigo // it is the end of TestMain
	}))
}

// enter leaves the host's namespaces. They are a thread's own, so the thread
// executes the program anew.
func enter() {
	check := func(err error) {
		if err != nil {
			panic(fmt.Errorf("a node for the tests (they need root): %w", err))
		}
	}
	if os.Getenv(insideEnv) == "" {
		goruntime.LockOSThread()
		check(unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_NEWNET))
		check(os.Setenv(insideEnv, "1"))
		check(syscall.Exec("/proc/self/exe", os.Args, os.Environ()))
	}
	check(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	check(netlink.LinkSetUp(&netlink.Device{LinkAttrs: netlink.LinkAttrs{Name: "lo"}}))
}

func left(more []func() []string) []string {
	var all []string
	mounts, err := mountinfo.GetMounts(nil)
	if err != nil {
		all = append(all, err.Error())
	}
	for _, m := range mounts {
		all = append(all, "mount "+m.Mountpoint)
	}
	links, err := netlink.LinkList()
	if err != nil {
		all = append(all, err.Error())
	}
	for _, l := range links {
		all = append(all, "device "+l.Attrs().Name)
	}
	for _, f := range more {
		all = append(all, f()...)
	}
	return all
}

// Network is a CNI network on a bridge of its own.
type Network struct {
	BinDirs           []string
	ConfDir, CacheDir string
	Bridge            string
	leases            string
}

// NewNetwork configures a network of the real bridge, host-local and portmap
// plugins and takes its bridge down with the test. The plugins are those in
// WAZELET_CNI_BIN; tests that need them are named TestPlugin….
func NewNetwork(t testing.TB) *Network {
	t.Helper()
	bin := os.Getenv("WAZELET_CNI_BIN")
	if bin == "" {
		t.Fatal("WAZELET_CNI_BIN must name the directory of the CNI plugins bridge, host-local and portmap; `make test` builds them and sets it")
	}
	n := NewBare(t)
	n.BinDirs = append(n.BinDirs, bin)
	t.Cleanup(func() {
		if link, err := netlink.LinkByName(n.Bridge); err == nil {
			if err := netlink.LinkDel(link); err != nil {
				t.Error(err)
			}
		}
		if l := n.Leases(t); len(l) > 0 {
			t.Errorf("leases left: %v", l)
		}
	})
	n.Configure(t, n.bridge(), `{"type":"portmap","capabilities":{"portMappings":true}}`)
	return n
}

// NewBare has neither plugins nor a configuration.
func NewBare(t testing.TB) *Network {
	t.Helper()
	dir := t.TempDir()
	n := &Network{
		BinDirs: []string{filepath.Join(dir, "bin")},
		ConfDir: filepath.Join(dir, "net.d"), CacheDir: filepath.Join(dir, "cache"),
		Bridge: "wztest0", leases: filepath.Join(dir, "leases"),
	}
	for _, d := range []string{n.BinDirs[0], n.ConfDir} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

func (n *Network) bridge() string {
	return fmt.Sprintf(`{"type":"bridge","bridge":%q,"isGateway":true,"ipMasq":true,"hairpinMode":true,
		"ipam":{"type":"host-local","dataDir":%q,"ranges":[[{"subnet":"10.99.0.0/24"}],[{"subnet":"fd00:99::/64"}]],
		"routes":[{"dst":"0.0.0.0/0"},{"dst":"::/0"}]}}`, n.Bridge, n.leases)
}

// Configure writes the network's configuration anew, of CNI 1.1, with these
// plugins.
func (n *Network) Configure(t testing.TB, plugins ...string) {
	t.Helper()
	n.Write(t, "10-test.conflist", fmt.Sprintf(`{"cniVersion":"1.1.0","name":"test","plugins":[%s]}`, strings.Join(plugins, ",")))
}

// Append adds a plugin after those of NewNetwork.
func (n *Network) Append(t testing.TB, plugin string) {
	t.Helper()
	n.Configure(t, n.bridge(), plugin)
}

// Write writes a file of the configuration.
func (n *Network) Write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(n.ConfDir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Script makes a plugin of a shell script, to fail where the real ones do not.
func (n *Network) Script(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(n.BinDirs[0], name), []byte("#!/bin/sh\n"+text), 0o700); err != nil {
		t.Fatal(err)
	}
}

// Leases lists the addresses that host-local has given away.
func (n *Network) Leases(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(n.leases, "*", "*[.:]*"))
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range files {
		files[i] = filepath.Base(f)
	}
	return slices.DeleteFunc(files, func(f string) bool { return strings.HasPrefix(f, "last_reserved_ip") })
}
