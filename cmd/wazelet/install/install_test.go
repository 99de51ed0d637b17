// SPDX-License-Identifier: Apache-2.0

package install

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// other is a runtime that is not ours, with one pod of each given handler.
type other struct {
	runtimeapi.UnimplementedRuntimeServiceServer
	name string

	mu   sync.Mutex
	pods map[string]string // handlers by the pods' names
}

func (o *other) Version(context.Context, *runtimeapi.VersionRequest) (*runtimeapi.VersionResponse, error) {
	return &runtimeapi.VersionResponse{RuntimeName: o.name, RuntimeVersion: "v1"}, nil
}

func (o *other) Status(context.Context, *runtimeapi.StatusRequest) (*runtimeapi.StatusResponse, error) {
	return &runtimeapi.StatusResponse{Info: map[string]string{"config": `{"cni":{"binDir":"/x/cni","confDir":"/x/net.d"}}`}}, nil
}

func (o *other) RuntimeConfig(context.Context, *runtimeapi.RuntimeConfigRequest) (*runtimeapi.RuntimeConfigResponse, error) {
	return &runtimeapi.RuntimeConfigResponse{Linux: &runtimeapi.LinuxRuntimeConfiguration{CgroupDriver: runtimeapi.CgroupDriver_SYSTEMD}}, nil
}

func (o *other) ListPodSandbox(context.Context, *runtimeapi.ListPodSandboxRequest) (*runtimeapi.ListPodSandboxResponse, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	list := &runtimeapi.ListPodSandboxResponse{}
	for name, handler := range o.pods {
		list.Items = append(list.Items, &runtimeapi.PodSandbox{
			Id: name, RuntimeHandler: handler, Metadata: &runtimeapi.PodSandboxMetadata{Name: name, Namespace: "default"},
		})
	}
	return list, nil
}

func (o *other) PodSandboxStatus(_ context.Context, q *runtimeapi.PodSandboxStatusRequest) (*runtimeapi.PodSandboxStatusResponse, error) {
	return &runtimeapi.PodSandboxStatusResponse{
		Status: &runtimeapi.PodSandboxStatus{Id: q.GetPodSandboxId()}, Info: map[string]string{"info": `{"pid":77}`},
	}, nil
}

func (o *other) ListContainers(context.Context, *runtimeapi.ListContainersRequest) (*runtimeapi.ListContainersResponse, error) {
	return &runtimeapi.ListContainersResponse{}, nil
}

func (o *other) StopPodSandbox(context.Context, *runtimeapi.StopPodSandboxRequest) (*runtimeapi.StopPodSandboxResponse, error) {
	return &runtimeapi.StopPodSandboxResponse{}, nil
}

func (o *other) RemovePodSandbox(_ context.Context, q *runtimeapi.RemovePodSandboxRequest) (*runtimeapi.RemovePodSandboxResponse, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.pods, q.GetPodSandboxId())
	return &runtimeapi.RemovePodSandboxResponse{}, nil
}

// serve has the runtime answer at a socket of the node's.
func (o *other) serve(t *testing.T, h Host, socket string) {
	t.Helper()
	at := filepath.Join(string(h), socket)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("unix", at)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	runtimeapi.RegisterRuntimeServiceServer(server, o)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil && !errors.Is(err, grpc.ErrServerStopped) { // it may not have begun
			t.Error(err)
		}
	})
}

// mounted is a node in a folder, as in an installer's container: without a service
// manager, with a runtime, and with what is to be installed.
func mounted(t *testing.T) (Options, *bytes.Buffer) {
	t.Helper()
	// Short, for the sockets below it.
	root, err := os.MkdirTemp("/tmp", "wazelet-host-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	h := Host(root)
	for path, content := range map[string]string{
		"/etc/systemd/system/other.service": "[Service]\n", "/etc/crictl.yaml": "runtime-endpoint: unix://" + socket + "\n",
		"/etc/kubelet.d/10-a.conf": "kind: KubeletConfiguration\n",
	} {
		at := filepath.Join(root, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.WriteFile(at, []byte(content), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	programs := t.TempDir()
	for _, name := range append([]string{"wazelet"}, Workers...) {
		if err := os.WriteFile(filepath.Join(programs, name), []byte(name+" v1"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	(&other{name: "containerd", pods: map[string]string{"web": ""}}).serve(t, h, socket)
	out := &bytes.Buffer{}
	return Options{
		Host: h, Release: "v1", Program: filepath.Join(programs, "wazelet"), Config: "/etc/wazelet/config.toml",
		Endpoint: "unix://" + socket, KubeletUnit: "kubelet.service", KubeletConfigDir: "/etc/kubelet.d",
		NoRestart: true, Timeout: 10 * time.Second, Out: out,
	}, out
}

// regular leaves out the sockets of a list of files.
func regular(t *testing.T, h Host) []string {
	t.Helper()
	return slices.DeleteFunc(listFiles(t, h), func(path string) bool { return strings.HasSuffix(path, ".sock") })
}

func listFiles(t *testing.T, h Host) []string {
	t.Helper()
	var paths []string
	err := filepath.WalkDir(string(h), func(path string, _ os.DirEntry, err error) error {
		paths = append(paths, strings.TrimPrefix(path, string(h)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// TestInstallBelowAPrefix installs on a mounted node, renews that, and takes it out:
// what is there then is what was there before, to the last folder.
func TestInstallBelowAPrefix(t *testing.T) {
	o, out := mounted(t)
	h := o.Host
	before := regular(t, h)
	o.DryRun = true
	if err := Install(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if got := regular(t, h); !slices.Equal(got, before) {
		t.Errorf("looking made %v", got)
	}
	o.DryRun = false
	if err := Install(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/usr/local/bin/wazelet":                                      "wazelet v1",
		"/usr/local/bin/wazelet-worker":                               "wazelet-worker v1",
		"/etc/wazelet/config.toml":                                    "driver = 'systemd'",
		"/etc/kubelet.d/99-wazelet.conf":                              "containerRuntimeEndpoint: unix:///run/wazelet/wazelet.sock",
		"/etc/systemd/system/wazelet.service":                         "ExecStart=/usr/local/bin/wazelet serve\n",
		"/etc/systemd/system/multi-user.target.wants/wazelet.service": "ExecStart=",
		"/etc/crictl.yaml":                                            "runtime-endpoint: unix:///run/wazelet/wazelet.sock",
		"/etc/crictl.yaml.before-wazelet":                             "runtime-endpoint: unix://" + socket,
	} {
		if got := read(h, path); !strings.Contains(got, want) {
			t.Errorf("%s is %q, want %q in it", path, got, want)
		}
	}
	if !strings.Contains(out.String(), "then restart the kubelet") {
		t.Errorf("it said %s", out)
	}
	installed := contentsWithoutSockets(t, h)

	// The same again, by another wazelet; then a changed configuration stays.
	if err := Install(t.Context(), o); err != nil || !slices.Equal(contentsWithoutSockets(t, h), installed) {
		t.Errorf("installing once more changed something: %v", err)
	}
	if err := os.WriteFile(o.Program, []byte("wazelet v2"), 0o755); err != nil {
		t.Fatal(err)
	}
	edited := read(h, o.Config) + "\n[log]\nlevel = 'debug'\n"
	if err := os.WriteFile(filepath.Join(string(h), o.Config), []byte(edited), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Install(t.Context(), o); err != nil || read(h, "/usr/local/bin/wazelet") != "wazelet v2" || read(h, o.Config) != edited {
		t.Errorf("renewed: %v, %s", err, read(h, o.Config))
	}
	if read(h, "/etc/crictl.yaml.before-wazelet") != "runtime-endpoint: unix://"+socket+"\n" {
		t.Error("renewing lost what was there before the first installation")
	}

	o.Endpoint = ""
	wazelet := &other{name: "wazelet", pods: map[string]string{"web": "", "guest": "wasm", "mixed": "wasm-hybrid", "also": "containerd"}}
	wazelet.serve(t, h, "/run/wazelet/wazelet.sock")
	err := Uninstall(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), "2 pods") || !strings.Contains(err.Error(), "default/guest") {
		t.Errorf("uninstalled under pods: %v", err)
	}
	o.Force = true
	if err := Uninstall(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if len(wazelet.pods) != 2 || wazelet.pods["guest"] != "" {
		t.Errorf("of the pods are left %v", wazelet.pods)
	}
	left := []string{"/etc/wazelet", "/etc/wazelet/config.toml.wazelet-old", "/run/wazelet"}
	after := slices.DeleteFunc(regular(t, h), func(path string) bool { return slices.Contains(left, path) })
	if !slices.Equal(after, before) {
		t.Errorf("there is\n%v, was\n%v", after, before)
	}
	if read(h, o.Config+".wazelet-old") != edited || read(h, "/etc/crictl.yaml") != "runtime-endpoint: unix://"+socket+"\n" {
		t.Error("an administrator's changes, or what was replaced, are lost")
	}
}

func contentsWithoutSockets(t *testing.T, h Host) []string {
	t.Helper()
	var list []string
	for _, path := range regular(t, h) {
		info, err := os.Lstat(filepath.Join(string(h), path))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().IsRegular() {
			path += " = " + read(h, path)
		}
		list = append(list, path)
	}
	return list
}

// TestWhatIsNotKnownIsAskedFor says what to give, and leaves the node alone.
func TestWhatIsNotKnownIsAskedFor(t *testing.T) {
	for want, change := range map[string]func(*Options){
		"name its socket with --endpoint":       func(o *Options) { o.Endpoint = "" },
		"Wazelet's own socket":                  func(o *Options) { o.Endpoint = "unix:///run/wazelet/wazelet.sock" },
		"--kubelet-config-dir":                  func(o *Options) { o.KubeletConfigDir = "" },
		"no systemd answers":                    func(o *Options) { o.NoRestart = false },
		"the program to install":                func(o *Options) { o.Program = "/absent/wazelet" },
		"/run/absent.sock":                      func(o *Options) { o.Endpoint, o.Timeout = "/run/absent.sock", time.Second },
		"no such file or directory":             func(o *Options) { o.ConfigFrom = "/absent.toml" },
		"is not as it was installed: remove it": func(o *Options) { o.Config, o.ConfigFrom = "/etc/crictl.yaml", "/dev/null" },
	} {
		o, _ := mounted(t)
		before := contentsWithoutSockets(t, o.Host)
		change(&o)
		err := Install(t.Context(), o)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q: %v", want, err)
		}
		if got := contentsWithoutSockets(t, o.Host); !slices.Equal(got, before) {
			t.Errorf("%s: the node has now %v", want, got)
		}
	}
}
