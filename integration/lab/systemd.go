// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// systemdName is the service manager's, and of its log file.
const systemdName = "systemd"

// unitsLog is the log file of the units' programs: the kubelet's, and Wazelet's.
const unitsLog = "units"

// systemdProgram is what Debian's package of that name brings.
const systemdProgram = "/lib/systemd/systemd"

// UnitDir is where the units of a laboratory with Options.Host are.
const UnitDir = "/etc/systemd/system"

// PrepareHost makes sure of what UpHost runs beside a laboratory's own parts.
func PrepareHost(ctx context.Context, log io.Writer) error {
	return errors.Join(
		installFiles(ctx, log, "service manager", map[string]string{systemdProgram: "systemd", "/usr/bin/systemctl": "systemd"}),
		PrepareContainerd(ctx, log),
	)
}

// UpHost brings up a node as it is before Wazelet: systemd runs the kubelet, which
// talks to a containerd. It returns when the node is Ready. PrepareHost has built what
// it runs, and Options.Host was set.
func (c *Cluster) UpHost(ctx context.Context) error {
	if err := c.check("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kubectl", "containerd"); err != nil {
		return err
	}
	return c.take(ctx, []step{
		{"namespaces", c.prepare},
		{"registries, etcd", func(ctx context.Context) error { return errors.Join(c.startRegistries(ctx), c.startEtcd()) }},
		{"containerd", c.StartContainerd},
		{"API server", c.startAPIServer},
		{"controllers, scheduler", func(context.Context) error { return c.startControlPlane() }},
		{"systemd, kubelet", c.startSystemd},
		{"node Ready", func(ctx context.Context) error { return c.waitNodeOf(ctx, systemdName, containerdName) }},
	})
}

// hostFile is where a file of the laboratory's own /etc or /opt is from outside.
func (c *Cluster) hostFile(path string) string { return c.path("host", path) }

// HostFile reads a file as programs of the laboratory see it, with Options.Host.
func (c *Cluster) HostFile(ctx context.Context, path string) (string, error) {
	out, err := c.Command(ctx, "cat", path)
	return out.Stdout, err
}

// Systemctl runs systemctl for the laboratory's systemd.
func (c *Cluster) Systemctl(ctx context.Context, args ...string) (Output, error) {
	return c.Command(ctx, "env", append([]string{"XDG_RUNTIME_DIR=/run", "systemctl", "--user"}, args...)...)
}

// arrangeHost lays the laboratory's own folders over the machine's, from within the
// mount namespace.
func (c *Cluster) arrangeHost() error {
	for _, dir := range []string{"/etc", "/opt"} {
		upper, work := c.hostFile(dir), c.hostFile(dir)+"-work"
		if err := errors.Join(os.MkdirAll(upper, 0o755), os.MkdirAll(work, 0o755)); err != nil {
			return err
		}
		options := "lowerdir=" + dir + ",upperdir=" + upper + ",workdir=" + work
		if err := unix.Mount("overlay", dir, "overlay", 0, options); err != nil {
			return fmt.Errorf("overlay over %s: %w", dir, err)
		}
	}
	const local, run = "/usr/local", "/run/systemd"
	if err := bind(local, local); err != nil {
		return err
	}
	if err := unix.Mount("", local, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""); err != nil {
		return fmt.Errorf("make %s read-only: %w", local, err)
	}
	// By the folder system in it, programs know that systemd runs here.
	if err := errors.Join(os.MkdirAll(run, 0o755), os.MkdirAll(filepath.Join(c.hostFile(run), "system"), 0o755)); err != nil {
		return err
	}
	return bind(c.hostFile(run), run)
}

// startSystemd starts a systemd that runs the kubelet as kubeadm's packages do.
//
// It is a systemd for a user: that one need not be the first process, and has the same
// interfaces. It takes all processes of its own cgroup for its children, so it must
// have one of its own in every hierarchy before it starts.
func (c *Cluster) startSystemd(context.Context) error {
	mounts := c.cgroups.mounts
	var script strings.Builder
	script.WriteString("set -e\n")
	for _, mount := range mounts {
		leaf := filepath.Join(mount, c.name, systemdName)
		if err := os.Mkdir(leaf, 0o755); err != nil {
			return err
		}
		if err := inheritCPUSet(leaf); err != nil {
			return err
		}
		fmt.Fprintf(&script, "echo $$ >%s/cgroup.procs\n", leaf)
	}
	fmt.Fprintf(&script, "if grep -v ':/%s/%s$' /proc/self/cgroup; then exit 1; fi\n", c.name, systemdName)
	fmt.Fprintf(&script, "exec env XDG_RUNTIME_DIR=/run SYSTEMD_UNIT_PATH=%s %s --user --log-target=console\n", UnitDir, systemdProgram)
	for name, content := range c.units() {
		file := c.hostFile(name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			return err
		}
	}
	return c.startDaemon(systemdName, "/bin/sh", "-c", script.String())
}

// units are the files by which systemd knows the kubelet: as kubeadm and Debian's
// package of the kubelet lay them out.
func (c *Cluster) units() map[string]string {
	var environment strings.Builder
	for _, variable := range c.environment() {
		fmt.Fprintf(&environment, "Environment=%s\n", variable)
	}
	return map[string]string{
		UnitDir + "/default.target":    "[Unit]\nDescription=Boot\nWants=multi-user.target kubelet.service\nAfter=multi-user.target\n",
		UnitDir + "/multi-user.target": "[Unit]\nDescription=Multi-user\n",
		// What every service is ordered by.
		UnitDir + "/basic.target":    "[Unit]\nDescription=Basis\n",
		UnitDir + "/shutdown.target": "[Unit]\nDescription=Shutdown\nDefaultDependencies=no\n",
		// There is no journal.
		UnitDir + "/service.d/10-log.conf": "[Service]\nStandardOutput=append:" + c.LogFile(unitsLog) + "\nStandardError=inherit\n",
		UnitDir + "/kubelet.service": "[Unit]\nDescription=kubelet\n[Service]\nExecStart=" + c.part("kubelet") + "\nRestart=always\nRestartSec=1\n" +
			environment.String(),
		UnitDir + "/kubelet.service.d/10-kubeadm.conf": "[Service]\nEnvironment=\"KUBELET_CONFIG_ARGS=--config=" + c.path("kubelet.yaml") + "\"\n" +
			"EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env\nExecStart=\nExecStart=" + c.part("kubelet") + " $KUBELET_CONFIG_ARGS \\\n  $KUBELET_KUBEADM_ARGS\n",
		"/var/lib/kubelet/kubeadm-flags.env": "KUBELET_KUBEADM_ARGS=\"" + strings.Join(c.kubeletFlags(), " ") +
			" --container-runtime-endpoint=unix://" + c.ContainerdSocket() + "\"\n",
	}
}
