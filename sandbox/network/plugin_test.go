// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/sandbox/internal/nodetest"
	"github.com/wazelet/wazelet/sandbox/netns"
)

// plugin is a node's network of real plugins.
func plugin(t *testing.T) (*Plugin, *nodetest.Network) {
	t.Helper()
	n := nodetest.NewNetwork(t)
	return reopen(t, n), n
}

func reopen(t *testing.T, n *nodetest.Network) *Plugin {
	t.Helper()
	p, err := New(Options{BinDirs: n.BinDirs, ConfDir: n.ConfDir, CacheDir: n.CacheDir})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func namespace(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "netns")
	if err := netns.Create(path); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := netns.Remove(path); err != nil {
			t.Error(err)
		}
	})
	return path
}

func request(ports ...PortMapping) Request {
	return Request{Namespace: "ns", Name: "web", UID: "u1", PortMappings: ports, CgroupParent: "/pod"}
}

func attach(t *testing.T, p *Plugin, id, path string, r Request) (*Attachment, Result) {
	t.Helper()
	a, err := p.Plan(id, r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Detach(context.Background(), id, "", a); err != nil {
			t.Error(err)
		}
	})
	result, err := p.Attach(t.Context(), id, path, a)
	if err != nil {
		t.Fatal(err)
	}
	return a, result
}

// stored is an attachment as it comes back from a record.
func stored(t *testing.T, a *Attachment) *Attachment {
	t.Helper()
	raw, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	var back Attachment
	if err := json.Unmarshal(raw, &back); err != nil {
		t.Fatal(err)
	}
	return &back
}

func TestPluginGivesAPodItsAddresses(t *testing.T) {
	p, n := plugin(t)
	if err := p.Ready(); err != nil {
		t.Fatal(err)
	}
	path := namespace(t)
	a, result := attach(t, p, "pod1", path, request())
	if len(result.IPs) != 2 || !netip.MustParseAddr(result.IPs[0]).Is4() || !netip.MustParseAddr(result.IPs[1]).Is6() {
		t.Errorf("addresses %v: want the plugin's two, IPv4 first as it is configured", result.IPs)
	}
	if !json.Valid(result.CNI) || !strings.Contains(string(result.CNI), n.Bridge) {
		t.Errorf("answer %s", result.CNI)
	}
	err := netns.Do(path, func() error {
		link, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		addrs, err := netlink.AddrList(link, netlink.FAMILY_V4)
		if err == nil && (len(addrs) != 1 || addrs[0].IP.String() != result.IPs[0]) {
			err = fmt.Errorf("eth0 has %v", addrs)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	for range 2 { // a repetition is no error
		if err := reopen(t, n).Detach(t.Context(), "pod1", path, stored(t, a)); err != nil {
			t.Error(err)
		}
	}
	if l := n.Leases(t); len(l) > 0 {
		t.Errorf("leases %v", l)
	}
	if ids, err := p.Attached(); err != nil || len(ids) > 0 {
		t.Errorf("still attached: %v, %v", ids, err)
	}
}

func TestPluginMapsHostPorts(t *testing.T) {
	p, _ := plugin(t)
	path := namespace(t)
	var listener net.Listener
	a, result := attach(t, p, "pod1", path, request(
		PortMapping{Protocol: ProtocolTCP, ContainerPort: 80, HostPort: 12000},
		PortMapping{Protocol: ProtocolUDP, ContainerPort: 53}, // no port of the host
	))
	err := netns.Do(path, func() (err error) {
		listener, err = net.Listen("tcp4", ":80")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, "hello")
			conn.Close()
		}
	}()
	gateway := strings.TrimSuffix(result.IPs[0], result.IPs[0][strings.LastIndex(result.IPs[0], "."):]) + ".1"
	if got, err := greeting(gateway + ":12000"); got != "hello" {
		t.Errorf("through the host's port: %q, %v", got, err)
	}
	if err := p.Detach(t.Context(), "pod1", path, a); err != nil {
		t.Fatal(err)
	}
	if got, err := greeting(gateway + ":12000"); err == nil {
		t.Errorf("after the pod is detached: %q", got)
	}
}

func greeting(addr string) (string, error) {
	conn, err := net.DialTimeout("tcp", addr, 2*time.Second)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	data, err := io.ReadAll(conn)
	return string(data), err
}

func TestPluginFreesAddressesOfALostNamespace(t *testing.T) {
	p, n := plugin(t)
	path := namespace(t)
	a, _ := attach(t, p, "lost1", path, request())
	if len(n.Leases(t)) != 2 {
		t.Fatalf("leases %v", n.Leases(t))
	}
	if err := netns.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := p.Detach(t.Context(), "lost1", "", a); err != nil {
		t.Error(err)
	}
	if l := n.Leases(t); len(l) > 0 {
		t.Errorf("leases %v", l)
	}
}

// TestPluginDetachesByTheFormerConfiguration: the node's files are gone or say
// something else when the pod goes.
func TestPluginDetachesByTheFormerConfiguration(t *testing.T) {
	p, n := plugin(t)
	path := namespace(t)
	a, _ := attach(t, p, "pod1", path, request())
	n.Write(t, "00-other.conflist", `{"cniVersion":"1.0.0","name":"other","plugins":[{"type":"none"}]}`)
	if err := os.Remove(filepath.Join(n.ConfDir, "10-test.conflist")); err != nil {
		t.Fatal(err)
	}
	if err := p.Ready(); err == nil {
		t.Error("ready without the plugin of the configuration")
	}
	if err := p.Detach(t.Context(), "pod1", path, stored(t, a)); err != nil {
		t.Error(err)
	}
	if l := n.Leases(t); len(l) > 0 {
		t.Errorf("leases %v", l)
	}
}

func TestPluginDetachesAPodWithoutARecord(t *testing.T) {
	p, n := plugin(t)
	path := namespace(t)
	attach(t, p, "pod1", path, request())
	attach(t, p, "pod2", namespace(t), request())
	again := reopen(t, n)
	ids, err := again.Attached()
	slices.Sort(ids)
	if err != nil || !slices.Equal(ids, []string{"pod1", "pod2"}) {
		t.Errorf("attached %v, %v", ids, err)
	}
	for _, id := range []string{"pod1", "pod1", "never"} {
		if err := again.DetachUnknown(t.Context(), id, path); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
	if l := n.Leases(t); len(l) != 2 {
		t.Errorf("leases %v: want those of pod2", l)
	}
}

func TestPluginTellsAPodApart(t *testing.T) {
	p, n := plugin(t)
	n.Script(t, "tell", `
cat > "$0.stdin.$CNI_COMMAND"
env | grep ^CNI_ > "$0.env"
case $CNI_COMMAND in
ADD) echo '{"cniVersion":"1.1.0","ips":[{"address":"192.0.2.7/24"}]}' ;;
esac`)
	n.Configure(t, `{"type":"tell","capabilities":{"portMappings":true,"dns":true,"cgroupPath":true,"io.kubernetes.cri.pod-annotations":true,"bandwidth":true}}`)
	r := request(PortMapping{Protocol: ProtocolSCTP, ContainerPort: 1, HostPort: 2, HostIP: "127.0.0.1"}, PortMapping{Protocol: ProtocolTCP, ContainerPort: 3})
	r.DNS = DNS{Servers: []string{"192.0.2.53"}, Searches: []string{"a.b"}}
	r.Annotations = map[string]string{"k": "v"}
	path := namespace(t)
	a, result := attach(t, p, "pod1", path, r)
	if !slices.Equal(result.IPs, []string{"192.0.2.7"}) {
		t.Errorf("addresses %v", result.IPs)
	}
	said := func(name string) string {
		data, err := os.ReadFile(filepath.Join(n.BinDirs[0], "tell."+name))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	env := said("env")
	for _, want := range []string{
		"CNI_CONTAINERID=pod1\n", "CNI_NETNS=" + path + "\n", "CNI_IFNAME=eth0\n",
		"CNI_ARGS=IgnoreUnknown=1;K8S_POD_NAMESPACE=ns;K8S_POD_NAME=web;K8S_POD_INFRA_CONTAINER_ID=pod1;K8S_POD_UID=u1\n",
	} {
		if !strings.Contains(env, want) {
			t.Errorf("environment without %q:\n%s", want, env)
		}
	}
	if err := p.Detach(t.Context(), "pod1", path, stored(t, a)); err != nil {
		t.Fatal(err)
	}
	type stdin struct {
		RuntimeConfig map[string]json.RawMessage
		PrevResult    json.RawMessage
	}
	for _, command := range []string{"ADD", "DEL"} {
		var got stdin
		if err := json.Unmarshal([]byte(said("stdin."+command)), &got); err != nil {
			t.Fatal(err)
		}
		for key, want := range map[string]string{
			"portMappings": `[{"containerPort":1,"hostIP":"127.0.0.1","hostPort":2,"protocol":"sctp"}]`,
			"dns":          `{"searches":["a.b"],"servers":["192.0.2.53"]}`,
			"cgroupPath":   `"/pod"`, "io.kubernetes.cri.pod-annotations": `{"k":"v"}`,
		} {
			if !sameJSON(t, got.RuntimeConfig[key], want) {
				t.Errorf("%s: %s is %s, want %s", command, key, got.RuntimeConfig[key], want)
			}
		}
		if len(got.RuntimeConfig) != 4 {
			t.Errorf("%s: %v", command, got.RuntimeConfig)
		}
		if (got.PrevResult != nil) != (command == "DEL") {
			t.Errorf("%s: previous result %s", command, got.PrevResult)
		}
	}
}

func sameJSON(t *testing.T, got json.RawMessage, want string) bool {
	t.Helper()
	var v any
	if err := json.Unmarshal(got, &v); err != nil {
		t.Errorf("%s: %v", got, err)
	}
	canonical, err := json.Marshal(v)
	return err == nil && string(canonical) == want
}

func TestPluginFailuresTellTheirReason(t *testing.T) {
	p, n := plugin(t)
	path := namespace(t)
	for name, c := range map[string]struct {
		script string
		says   []string
		class  func(error) bool
	}{
		"told":      {`echo '{"cniVersion":"1.0.0","code":7,"msg":"no such pool","details":"blue"}'; exit 1`, []string{"network test", `"odd"`, "no such pool; blue"}, nil},
		"try-later": {`echo '{"code":11,"msg":"agent is starting"}'; exit 1`, []string{"agent is starting"}, errdefs.IsUnavailable},
		"printed": {`echo "panic: oh
	no" >&2; exit 2`, []string{"panic: oh no", "exit status 2"}, nil},
		"silent":     {`exit 3`, []string{"exit status 3"}, nil},
		"killed":     {`kill -9 $$`, []string{"signal: killed"}, nil},
		"nonsense":   {`echo pong`, []string{"invalid character"}, nil},
		"no-address": {`echo '{"cniVersion":"1.1.0"}'`, []string{"no address"}, nil},
		"null":       {`echo null`, []string{"no address"}, nil},
		"flood":      {`yes '"' | head -c 3000000`, []string{"more than 1048576 bytes"}, nil},
		"novel":      {`yes 'word ' | head -c 2000000 >&2; exit 1`, []string{"word word", "…"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			n.Script(t, "odd", "[ $CNI_COMMAND = DEL ] && exit 0\n"+c.script)
			n.Append(t, `{"type":"odd"}`)
			a, err := p.Plan("pod1", request())
			if err != nil {
				t.Fatal(err)
			}
			_, err = p.Attach(t.Context(), "pod1", path, a)
			if err == nil {
				t.Fatal("attached")
			}
			for _, want := range c.says {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
			if len(err.Error()) > 2500 {
				t.Errorf("%d characters are no message", len(err.Error()))
			}
			if c.class != nil && !c.class(err) {
				t.Errorf("%v: wrong class", err)
			}
			if err := p.Detach(t.Context(), "pod1", path, a); err != nil {
				t.Error(err)
			}
			if l := n.Leases(t); len(l) > 0 {
				t.Errorf("leases %v", l)
			}
		})
	}
}

// TestPluginThatHangsIsEnded with the children that hold its output.
func TestPluginThatHangsIsEnded(t *testing.T) {
	p, n := plugin(t)
	fifo := filepath.Join(t.TempDir(), "alive")
	if err := os.WriteFile(fifo, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	n.Script(t, "hang", `[ $CNI_COMMAND = DEL ] && exit 0
sleep 1000 & echo $! > `+fifo+`
wait`)
	n.Configure(t, `{"type":"hang"}`)
	a, err := p.Plan("pod1", request())
	if err != nil {
		t.Fatal(err)
	}
	late := errors.New("late")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 300*time.Millisecond, late)
	defer cancel()
	start := time.Now()
	_, err = p.Attach(ctx, "pod1", namespace(t), a)
	if !errors.Is(err, late) || time.Since(start) > 2*time.Second {
		t.Errorf("after %s: %v", time.Since(start), err)
	}
	pid, err := os.ReadFile(fifo)
	if err != nil {
		t.Fatal(err)
	}
	if !ends(t, strings.TrimSpace(string(pid))) {
		t.Error("the plugin's child lives on")
	}
	if err := p.Detach(t.Context(), "pod1", "", a); err != nil {
		t.Error(err)
	}
}

// ends waits for the end of a process that is no child of ours.
func ends(t *testing.T, pid string) bool {
	t.Helper()
	n, err := strconv.Atoi(pid)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.PidfdOpen(n, 0)
	if errors.Is(err, unix.ESRCH) {
		return true
	} else if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	ready, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 5000)
	return err == nil && ready == 1
}

func TestPluginThatLeavesAChildIsNotWaitedFor(t *testing.T) {
	p, n := plugin(t)
	n.Script(t, "daemon", `echo '{"cniVersion":"1.1.0","ips":[{"address":"192.0.2.7/24"}]}'
[ $CNI_COMMAND = ADD ] && sleep 4 &
exit 0`)
	n.Configure(t, `{"type":"daemon"}`)
	start := time.Now()
	attach(t, p, "pod1", namespace(t), request())
	if d := time.Since(start); d > 3900*time.Millisecond {
		t.Errorf("waited %s for the child", d)
	}
}

func TestPluginsServeManyPodsAtOnce(t *testing.T) {
	p, n := plugin(t)
	const pods = 8
	results := make(chan string, pods)
	var all sync.WaitGroup
	for i := range pods {
		path := namespace(t)
		all.Go(func() {
			id := fmt.Sprintf("many%d", i)
			a, err := p.Plan(id, request())
			if err != nil {
				t.Error(err)
				return
			}
			result, err := p.Attach(t.Context(), id, path, a)
			if err == nil {
				results <- result.IPs[0]
			}
			if err := errors.Join(err, p.Detach(t.Context(), id, path, a)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	close(results)
	seen := map[string]bool{}
	for ip := range results {
		if seen[ip] {
			t.Errorf("%s was given twice", ip)
		}
		seen[ip] = true
	}
	if len(seen) != pods || len(n.Leases(t)) > 0 {
		t.Errorf("%d addresses, leases %v", len(seen), n.Leases(t))
	}
}

func TestPluginStatusIsAsked(t *testing.T) {
	p, n := plugin(t)
	n.Script(t, "moody", `[ $CNI_COMMAND = STATUS ] && echo '{"code":50,"msg":"no uplink"}' && exit 1; exit 0`)
	n.Configure(t, `{"type":"moody"}`)
	if err := p.Ready(); !errdefs.IsUnavailable(err) || !strings.Contains(err.Error(), "no uplink") {
		t.Errorf("%v", err)
	}
	n.Write(t, "10-test.conflist", `{"cniVersion":"1.0.0","name":"test","plugins":[{"type":"moody"}]}`)
	if err := p.Ready(); err != nil {
		t.Errorf("a network that cannot be asked: %v", err)
	}
}
