// SPDX-License-Identifier: Apache-2.0

package streaming

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/cgroup"
	"github.com/wazelet/wazelet/sandbox"
	"github.com/wazelet/wazelet/sandbox/netns"
	"github.com/wazelet/wazelet/sandbox/network"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testNode is a server in front of real sandboxes. Their network namespaces have
// nothing but a loopback device: the only CNI plugin says that each has an
// address and leaves the interfaces alone.
type testNode struct {
	*Server
	t         *testing.T
	sandboxes *sandbox.Controller
}

const plugin = `#!/bin/sh
cat >/dev/null
case "$CNI_COMMAND" in
VERSION) echo '{"cniVersion":"1.0.0","supportedVersions":["1.0.0"]}' ;;
ADD) echo '{"cniVersion":"1.0.0","ips":[{"address":"10.1.2.3/24"}]}' ;;
esac
`

func newNode(t *testing.T) *testNode {
	t.Helper()
	dir := t.TempDir()
	for path, f := range map[string]struct {
		text string
		mode os.FileMode
	}{
		"net.d/10-test.conflist": {`{"cniVersion":"1.0.0","name":"test","plugins":[{"type":"none"}]}`, 0o644},
		"plugins/none":           {plugin, 0o755},
	} {
		path = filepath.Join(dir, path)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(t, os.WriteFile(path, []byte(f.text), f.mode))
	}
	pods, err := network.New(network.Options{BinDirs: []string{filepath.Join(dir, "plugins")}, ConfDir: filepath.Join(dir, "net.d"), CacheDir: filepath.Join(dir, "cni")})
	must(t, err)
	group := fmt.Sprintf("/wazelet-streaming-%d", os.Getpid())
	cgroups, err := cgroup.Open(cgroup.Cgroupfs, group)
	must(t, err)
	t.Cleanup(func() { removeCgroups(t, group) })
	sandboxes, err := sandbox.New(sandbox.Options{Root: filepath.Join(dir, "root"), State: filepath.Join(dir, "run"), Network: pods, Cgroups: cgroups})
	must(t, err)
	t.Cleanup(sandboxes.Close)
	must(t, sandboxes.Recover(t.Context()))
	server, err := Listen(t.Context(), Options{Address: "127.0.0.1:0", Sandboxes: sandboxes, Work: func() func() { return func() {} }})
	must(t, err)
	n := &testNode{Server: server, t: t, sandboxes: sandboxes}
	t.Cleanup(func() {
		must(t, server.Close())
		for _, sb := range sandboxes.List() {
			must(t, sandboxes.Remove(context.Background(), sb.ID))
		}
	})
	return n
}

func removeCgroups(t *testing.T, group string) {
	for _, pattern := range []string{"/sys/fs/cgroup/*" + group, "/sys/fs/cgroup" + group} {
		dirs, err := filepath.Glob(pattern)
		must(t, err)
		for _, dir := range dirs {
			if err := os.Remove(dir); err != nil {
				t.Error(err)
			}
		}
	}
}

// pod makes a sandbox.
func (n *testNode) pod(name string, mode sandbox.NetworkMode) sandbox.Sandbox {
	n.t.Helper()
	sb, err := n.sandboxes.Create(n.t.Context(), sandbox.Config{
		Metadata: sandbox.Metadata{Name: name, Namespace: "default", UID: "uid-" + name}, Network: mode, Handler: "wasm",
	})
	must(n.t, err)
	return sb
}

// url asks for a stream to a pod.
func (n *testNode) url(sb sandbox.Sandbox, ports ...int32) string {
	n.t.Helper()
	resp, err := n.PortForward(&runtimeapi.PortForwardRequest{PodSandboxId: sb.ID, Port: ports})
	must(n.t, err)
	return resp.GetUrl()
}

// serveIn runs a TCP server in a pod's network and returns its port. It ends with
// the test.
func (n *testNode) serveIn(sb sandbox.Sandbox, address string, handle func(*net.TCPConn)) int32 {
	n.t.Helper()
	var l net.Listener
	listen := func() (err error) {
		l, err = net.Listen("tcp", address)
		return err
	}
	if sb.NetNS == "" {
		must(n.t, listen())
	} else {
		must(n.t, netns.Do(sb.NetNS, listen))
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return // closed by the test's end
			}
			go func() {
				defer conn.Close()
				handle(conn.(*net.TCPConn))
			}()
		}
	}()
	n.t.Cleanup(func() { l.Close() })
	return int32(l.Addr().(*net.TCPAddr).Port)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
