// SPDX-License-Identifier: Apache-2.0

package runtime_test

import (
	"context"
	"fmt"
	"io"
	stdlog "log"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/sirupsen/logrus"

	"github.com/wazelet/wazelet/cgroup"
	"github.com/wazelet/wazelet/imageservice"
	"github.com/wazelet/wazelet/integration/guests"
	"github.com/wazelet/wazelet/integration/lab/image"
	"github.com/wazelet/wazelet/runtime"
	"github.com/wazelet/wazelet/sandbox"
	"github.com/wazelet/wazelet/sandbox/network"
)

// workerPath is the shipped worker and guestDir holds the guests, built once.
var workerPath, guestDir string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if os.Getenv(compileEnv) != "" {
		return compileUntilKilled()
	}
	logrus.SetLevel(logrus.WarnLevel)
	dir, err := os.MkdirTemp("", "runtime")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	workerPath = filepath.Join(dir, "wazelet-worker")
	build := exec.Command("go", "build", "-p", "1", "-o", workerPath, "github.com/wazelet/wazelet/cmd/wazelet-worker")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the worker: %v\n%s", err, out)
		return 1
	}
	guestDir = dir
	if err := guests.Build(context.Background(), "..", dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// daemon is all that `wazelet serve` puts together below its CRI server, on
// directories and a cgroup of the test's own.
type daemon struct {
	t          testing.TB
	root       string
	state      string
	parent     string
	registry   string
	sandboxes  *sandbox.Controller
	images     *imageservice.Service
	containers *runtime.Controller
	modules    *runtime.Modules
}

// newDaemon starts a daemon; everything of it is gone after the test.
func newDaemon(t testing.TB) *daemon {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(stdlog.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	d := &daemon{
		t: t, root: t.TempDir(), state: t.TempDir(),
		parent:   fmt.Sprintf("/wazelet-runtime-test-%d", os.Getpid()),
		registry: server.Listener.Addr().(*net.TCPAddr).String(),
	}
	d.open()
	t.Cleanup(d.end)
	return d
}

// open puts the parts together and recovers, as each start of the daemon does.
func (d *daemon) open() {
	d.t.Helper()
	ctx := context.Background()
	cgroups, err := cgroup.Open(cgroup.Cgroupfs, d.parent)
	d.must(err)
	pods, err := network.New(network.Options{BinDirs: []string{d.root}, ConfDir: d.root, CacheDir: filepath.Join(d.root, "cni")})
	d.must(err)
	d.modules, err = runtime.NewModules(runtime.ModulesOptions{Dir: filepath.Join(d.root, "modules"), WorkerPath: workerPath, Cgroups: cgroups})
	d.must(err)
	d.sandboxes, err = sandbox.New(sandbox.Options{Root: d.root, State: d.state, Network: pods, Cgroups: cgroups})
	d.must(err)
	d.images, err = imageservice.New(ctx, imageservice.Options{Root: d.root})
	d.must(err)
	d.containers, err = runtime.New(runtime.Options{
		Root: d.root, State: d.state, WorkerPath: workerPath,
		Sandboxes: d.sandboxes, Images: d.images, Cgroups: cgroups, Modules: d.modules,
	})
	d.must(err)
	d.must(d.sandboxes.Recover(ctx))
	d.must(d.containers.Recover(ctx))
}

// close ends the daemon as SIGTERM does: workers go on.
func (d *daemon) close() {
	d.containers.Close()
	d.sandboxes.Close()
	d.must(d.images.Close())
}

// end removes every pod and checks that nothing of them is left.
func (d *daemon) end() {
	for _, sb := range d.sandboxes.List() {
		if err := d.containers.RemoveSandbox(context.Background(), sb.ID); err != nil {
			d.t.Errorf("remove sandbox: %v", err)
		}
	}
	d.nothingLeft()
	d.close()
	for _, controller := range []string{"", "cpu", "memory", "pids", "cpuset", "cpuacct", "devices", "freezer", "blkio", "systemd", "unified"} {
		base := filepath.Join("/sys/fs/cgroup", controller, d.parent)
		_ = os.Remove(filepath.Join(base, "compiler"))
		_ = os.Remove(base)
	}
}

// nothingLeft checks that no container has left a trace.
func (d *daemon) nothingLeft() {
	d.t.Helper()
	roots, err := d.images.Roots(context.Background())
	d.must(err)
	if len(roots) > 0 {
		d.t.Errorf("root file systems left: %q", roots)
	}
	for _, dir := range []string{filepath.Join(d.state, "containers"), filepath.Join(d.root, "records", "containers")} {
		entries, err := os.ReadDir(dir)
		d.must(err)
		for _, e := range entries {
			if e.Name() == "corrupt" || strings.HasPrefix(e.Name(), "_tmp-journal-") { // records set aside are kept for people
				continue
			}
			d.t.Errorf("left: %s", filepath.Join(dir, e.Name()))
		}
	}
	groups, err := filepath.Glob("/sys/fs/cgroup/*/" + d.parent + "/*/*")
	d.must(err)
	for _, g := range groups {
		if info, err := os.Stat(g); err == nil && info.IsDir() {
			d.t.Errorf("cgroup left: %s", g)
		}
	}
}

func (d *daemon) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

// push puts an image into the registry and returns its reference.
func (d *daemon) push(tag string, img v1.Image, err error) string {
	d.t.Helper()
	d.must(err)
	ref, err := name.ParseReference(d.registry + "/" + tag)
	d.must(err)
	d.must(remote.Write(ref, img))
	return ref.String()
}

// pull makes an image of files with the module as /app.wasm and pulls it.
func (d *daemon) pull(tag string, module []byte) imageservice.Image {
	d.t.Helper()
	img, err := image.Files(image.Config{Entrypoint: []string{"/app.wasm"}}, image.File{Path: "app.wasm", Content: module})
	pulled, err := d.images.Pull(d.t.Context(), d.push(tag, img, err), nil)
	d.must(err)
	return pulled
}

// pod makes a sandbox on the node's network.
func (d *daemon) pod(name string) sandbox.Sandbox {
	d.t.Helper()
	sb, err := d.sandboxes.Create(d.t.Context(), sandbox.Config{
		Metadata: sandbox.Metadata{Name: name, Namespace: "default", UID: "uid-" + name},
		Network:  sandbox.NetworkNode, LogDirectory: filepath.Join(d.state, "logs", name),
	})
	d.must(err)
	return sb
}

// create makes a container of an image.
func (d *daemon) create(sb sandbox.Sandbox, img imageservice.Image, edit func(*runtime.Config)) runtime.Container {
	d.t.Helper()
	config := runtime.Config{Name: "main", ImageID: img.ID, ImageRef: "test", LogPath: "main.log"}
	if edit != nil {
		edit(&config)
	}
	c, err := d.containers.Create(d.t.Context(), sb.ID, config)
	d.must(err)
	return c
}

// ended waits for a container's end.
func (d *daemon) ended(id string) runtime.Container {
	d.t.Helper()
	return d.until(id, func(c runtime.Container) bool { return c.State == runtime.StateExited })
}

// until polls a container's status, as the kubelet does, for a bounded time.
func (d *daemon) until(id string, want func(runtime.Container) bool) runtime.Container {
	d.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		c, err := d.containers.Get(id)
		d.must(err)
		if want(c) {
			return c
		}
		if time.Now().After(deadline) {
			d.t.Fatalf("container stays %+v", c)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// logged waits until a container's log has a text.
func (d *daemon) logged(c runtime.Container, text string) {
	d.t.Helper()
	d.until(c.ID, func(c runtime.Container) bool {
		raw, err := os.ReadFile(c.LogFile)
		return err == nil && strings.Contains(string(raw), text)
	})
}
