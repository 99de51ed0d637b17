// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/integration/lab/parts"
)

// containerdName is the daemon's, and of its log file.
const containerdName = "containerd"

// PauseImage is what containerd starts each of its sandboxes with.
const PauseImage = "lab.example/pause:1"

// ContainerdMetrics is where containerd serves its metrics, at /v1/metrics.
const ContainerdMetrics = "127.0.0.1:1338"

// nativeCompiler is what runc and native programs in C are made with: Debian's
// packages, by a file that each brings.
var nativeCompiler = map[string]string{
	"/usr/bin/gcc":                      "gcc",
	"/usr/bin/pkg-config":               "pkg-config",
	"/usr/lib/*-linux-gnu/libc.a":       "libc6-dev",
	"/usr/lib/*-linux-gnu/libseccomp.a": "libseccomp-dev",
}

// InstallCompiler makes sure of a compiler of C for native programs.
func InstallCompiler(ctx context.Context, log io.Writer) error {
	return installFiles(ctx, log, "compiler of C", nativeCompiler)
}

// InstallCompilers makes sure of compilers of C, for native programs and for Wasm.
func InstallCompilers(ctx context.Context, log io.Writer) error {
	return errors.Join(InstallCompiler(ctx, log), installToolchain(ctx, log))
}

// PrepareContainerd makes sure of the programs that StartContainerd runs. A
// compiler of C is installed when there is none.
func PrepareContainerd(ctx context.Context, log io.Writer) error {
	repo, err := parts.Repo()
	if err != nil {
		return err
	}
	if err := InstallCompiler(ctx, log); err != nil {
		return err
	}
	return parts.NewBuilder(repo, log).Build(ctx, parts.Containerd()...)
}

// ContainerdSocket returns the path of containerd's socket: its CRI and its own API.
func (c *Cluster) ContainerdSocket() string { return c.path("containerd", "run", "containerd.sock") }

// containerdRoot and containerdState are folders of containerd's CRI.
func (c *Cluster) containerdRoot(name string) string {
	return c.path("containerd", "root", "io.containerd.grpc.v1.cri", name)
}

func (c *Cluster) containerdState(name string) string {
	return c.path("containerd", "run", "io.containerd.grpc.v1.cri", name)
}

// StartContainerd starts a containerd with runc in the laboratory, beside whatever
// runs there, and returns when it answers and has its pause image. Its pods are on
// the same network as wazelet's. PrepareContainerd has built what it runs.
//
// Its handlers are runc, which is the default, and runc-other, with the same
// settings, for those who need a second RuntimeClass.
func (c *Cluster) StartContainerd(ctx context.Context) error {
	if c.PID(containerdName) != 0 {
		return errors.New("start containerd: it runs already")
	}
	for _, dir := range []string{"root", "opt"} {
		if err := os.MkdirAll(c.path("containerd", dir), 0o711); err != nil {
			return err
		}
	}
	if err := os.WriteFile(c.path("containerd.toml"), []byte(c.containerdConfig()), 0o600); err != nil {
		return err
	}
	command := []string{c.containerdProgram(), "--config", c.path("containerd.toml")}
	if c.options.Crun != "" {
		command = withoutHybrid(command...)
	}
	if err := c.startDaemon(containerdName, command[0], command[1:]...); err != nil {
		return err
	}
	if err := c.WaitContainerd(ctx); err != nil {
		return err
	}
	if _, err := c.ContainerdCrictl(ctx, "inspecti", PauseImage); err == nil {
		return nil // from before a restart
	}
	return c.importPause(ctx)
}

// containerdProgram is the one that was installed last.
func (c *Cluster) containerdProgram() string {
	if path := c.path("containerd", "program"); fileExists(path) {
		return path
	}
	return c.part("containerd")
}

// ReplaceContainerd installs the program anew, as an upgrade does: the next start is
// of another file. containerd does not run.
func (c *Cluster) ReplaceContainerd() error {
	program, err := os.ReadFile(c.part("containerd"))
	if err != nil {
		return err
	}
	path := c.path("containerd", "program")
	if err := os.WriteFile(path+".new", program, 0o755); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// WaitContainerd waits until containerd answers.
func (c *Cluster) WaitContainerd(ctx context.Context) error {
	return c.until(ctx, "containerd to answer", func(ctx context.Context) error {
		_, err := c.ContainerdCrictl(ctx, "--timeout", "2s", "pods", "-q")
		return err
	}, containerdName)
}

// StopContainerd ends containerd as a service manager would, with SIGTERM. Its pods
// and their shims go on.
func (c *Cluster) StopContainerd(context.Context) error {
	return c.stopDaemon(containerdName, unix.SIGTERM, 20*time.Second)
}

// KillContainerd ends containerd with SIGKILL. Its pods and their shims go on.
func (c *Cluster) KillContainerd(context.Context) error {
	return c.stopDaemon(containerdName, unix.SIGKILL, 20*time.Second)
}

// SignalContainerd sends containerd a signal, such as SIGSTOP and SIGCONT.
func (c *Cluster) SignalContainerd(signal unix.Signal) error {
	d := c.daemon(containerdName)
	if d == nil {
		return errors.New("signal containerd: it does not run")
	}
	return d.signal(signal)
}

// ContainerdCrictl runs crictl against containerd.
func (c *Cluster) ContainerdCrictl(ctx context.Context, args ...string) (Output, error) {
	endpoint := "unix://" + c.ContainerdSocket()
	return c.Command(ctx, "crictl", append([]string{"--runtime-endpoint", endpoint, "--image-endpoint", endpoint}, args...)...)
}

// Ctr runs containerd's own command line, in the namespace of its CRI.
func (c *Cluster) Ctr(ctx context.Context, args ...string) (Output, error) {
	return c.Command(ctx, "ctr", append([]string{"--address", c.ContainerdSocket(), "--namespace", "k8s.io"}, args...)...)
}

// endContainerd removes containerd's pods, which ends their shims, and then ends it.
// What is left of pods without a containerd goes with the laboratory's processes.
func (c *Cluster) endContainerd(ctx context.Context) error {
	if c.PID(containerdName) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 90*time.Second)
	defer cancel()
	var errs []error
	// It may be stopped.
	errs = append(errs, c.SignalContainerd(unix.SIGCONT))
	if _, err := c.ContainerdCrictl(ctx, "rmp", "--all", "--force"); err != nil {
		errs = append(errs, fmt.Errorf("remove containerd's sandboxes: %w", err))
	}
	return errors.Join(append(errs, c.StopContainerd(ctx))...)
}

// containerdConfig differs from the default in where things are, in what a machine
// without CAP_SYS_RESOURCE and AppArmor cannot do, and in leaving out NRI.
func (c *Cluster) containerdConfig() string {
	handler := func(name, binary string) []string {
		return []string{
			fmt.Sprintf("[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.%s]", name),
			`runtime_type = "io.containerd.runc.v2"`,
			fmt.Sprintf("container_annotations = [%q]", WasmVariant),
			fmt.Sprintf("[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.%s.options]", name),
			"SystemdCgroup = false",
			fmt.Sprintf("BinaryName = %q", binary),
		}
	}
	lines := []string{
		"version = 3",
		fmt.Sprintf("root = %q", c.path("containerd", "root")),
		fmt.Sprintf("state = %q", c.path("containerd", "run")),
		`disabled_plugins = ["io.containerd.nri.v1.nri"]`,
		"[grpc]",
		fmt.Sprintf("address = %q", c.ContainerdSocket()),
		"[ttrpc]",
		fmt.Sprintf("address = %q", c.ContainerdSocket()+".ttrpc"),
		"[metrics]",
		fmt.Sprintf("address = %q", ContainerdMetrics),
		"[plugins.'io.containerd.internal.v1.opt']",
		fmt.Sprintf("path = %q", c.path("containerd", "opt")),
		"[plugins.'io.containerd.cri.v1.images'.pinned_images]",
		fmt.Sprintf("sandbox = %q", PauseImage),
		"[plugins.'io.containerd.cri.v1.images'.registry]",
		fmt.Sprintf("config_path = %q", c.path("hosts.d")),
		"[plugins.'io.containerd.cri.v1.runtime']",
		"restrict_oom_score_adj = true",
		"disable_apparmor = true",
		"netns_mounts_under_state_dir = true",
		fmt.Sprintf("cdi_spec_dirs = [%q]", c.CDI()),
		"[plugins.'io.containerd.cri.v1.runtime'.cni]",
		fmt.Sprintf("bin_dirs = [%q]", c.part("cni")),
		fmt.Sprintf("conf_dir = %q", c.Networks()),
		"[plugins.'io.containerd.cri.v1.runtime'.containerd]",
		`default_runtime_name = "runc"`,
	}
	lines = append(append(lines, handler("runc", c.part("runc"))...), handler("runc-other", c.part("runc"))...)
	if c.options.Crun != "" {
		lines = append(lines, handler("crun", c.options.Crun)...)
	}
	return strings.Join(lines, "\n") + "\n"
}
