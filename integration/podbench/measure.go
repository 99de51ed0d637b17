// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/integration/lab"
	"github.com/wazelet/wazelet/integration/lab/image"
	"github.com/wazelet/wazelet/integration/lab/parts"
	"github.com/wazelet/wazelet/integration/podbench/drive"
	"github.com/wazelet/wazelet/integration/podbench/result"
)

// measure brings both sides up, has a client in their network measure them, and
// takes them down. What was measured before an error is returned with it.
func measure(ctx context.Context, o *options) (f *result.File, err error) {
	made, err := build(ctx, os.Stderr)
	if err != nil {
		return nil, err
	}
	if err := o.prepare(ctx); err != nil {
		return nil, err
	}
	if o.has("crun") {
		if o.crun, o.crunVersion, err = lab.PrepareCrun(ctx, os.Stderr); err != nil {
			return nil, err
		}
	}
	err = o.inLab(ctx, lab.Options{Crun: o.crun, WazeletConfig: metricsConfig}, func(cluster *lab.Cluster) error {
		if err := cluster.UpRuntime(ctx); err != nil {
			return err
		}
		if err := bringUp(ctx, cluster, o, made); err != nil {
			return err
		}
		o.plan.Networks = cluster.Networks()
		f, err = runDriver(ctx, cluster, &o.plan)
		return err
	})
	if f != nil {
		f.Machine.Describe()
	}
	return f, err
}

// diskSize holds both sides' images many times over, in bytes.
const diskSize = 8 << 30

// inLab has do bring up a laboratory, and takes it down.
func (o *common) inLab(ctx context.Context, options lab.Options, do func(*lab.Cluster) error) (err error) {
	if options.Dir, err = os.MkdirTemp("/tmp", "wazelet-bench-"); err != nil {
		return err
	}
	options.Log, options.Wazelet, options.LogLevel = os.Stderr, o.wazelet, "info"
	options.DiskSize = diskSize
	cluster, err := lab.New(options)
	if err != nil {
		return errors.Join(err, os.Remove(options.Dir))
	}
	defer func() {
		down, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Minute)
		defer cancel()
		failed := err != nil
		err = errors.Join(err, cluster.Down(down))
		if failed {
			fmt.Fprintln(os.Stderr, "bench: the logs are in", filepath.Join(options.Dir, "log"))
			return
		}
		err = errors.Join(err, cluster.RemoveScratch())
	}()
	return do(cluster)
}

// prepare builds the parts that the sides are made of, and the named ones.
func (o *common) prepare(ctx context.Context, names ...string) error {
	repo, err := parts.Repo()
	if err != nil {
		return err
	}
	wanted, err := parts.Select(parts.Laboratory(), append(names, "registry", "crictl", "cni/bridge", "cni/loopback", "cni/host-local", "cni/portmap")...)
	if err != nil {
		return err
	}
	if err := parts.NewBuilder(repo, os.Stderr).Build(ctx, wanted...); err != nil {
		return err
	}
	if !o.has("containerd") && !o.has("crun") {
		return nil
	}
	return lab.PrepareContainerd(ctx, os.Stderr)
}

// has tells whether a side is to be measured.
func (o *common) has(side string) bool { return slices.Contains(strings.Split(o.sides, ","), side) }

// bringUp starts the sides, pushes their images and writes them into the plan.
func bringUp(ctx context.Context, cluster *lab.Cluster, o *options, made map[string]programs) error {
	for _, name := range strings.Split(o.sides, ",") {
		side := drive.Side{
			Name: name, CgroupParent: cluster.CgroupParent("bench-" + name), Logs: filepath.Join(cluster.PodLogs(), name),
			Images: map[string]string{},
		}
		switch name {
		case "wazelet":
			side.Socket, side.Handler, side.PID = cluster.Socket(), "wasm", cluster.PID("wazelet")
			side.Metrics = "http://" + wazeletMetrics + "/metrics"
		case "containerd", "crun":
			if cluster.PID("containerd") == 0 { // both are its
				if err := cluster.StartContainerd(ctx); err != nil {
					return err
				}
			}
			side.Socket, side.Handler, side.PID = cluster.ContainerdSocket(), "runc", cluster.PID("containerd")
			side.Shim, side.ShimArg = "containerd-shim-runc-v2", cluster.ContainerdSocket()
			if name == "crun" {
				side.Handler, side.Version = "crun", o.crunVersion
				side.Annotations = map[string]string{lab.WasmVariant: "compat-smart"}
			}
		default:
			return fmt.Errorf("no side is named %q", name)
		}
		for workload, programs := range made {
			ref := fmt.Sprintf("%s/bench/%s:%s", lab.Registry, workload, name)
			if err := push(ctx, cluster, ref, workload, name, programs); err != nil {
				return err
			}
			side.Images[workload] = ref
		}
		o.plan.Sides = append(o.plan.Sides, side)
	}
	return nil
}

// push stores an image of files with the program.
func push(ctx context.Context, cluster *lab.Cluster, ref, name, side string, p programs) error {
	file := image.File{Path: "/" + name, Content: p.native, Mode: 0o755}
	config := image.Config{Platform: "linux/" + goruntime.GOARCH}
	switch side {
	case "wazelet":
		file.Path, file.Content = file.Path+".wasm", p.wasm
		config.Platform = ""
	case "crun": // containerd wants a platform of the machine's
		file.Path, file.Content = file.Path+".wasm", p.wasm
		if p.wasmedge != nil {
			file.Content = p.wasmedge
		}
	}
	config.Entrypoint = []string{file.Path}
	files := append(lab.BaseFiles(), image.File{Path: "/proc/"}, image.File{Path: "/sys/"}, image.File{Path: "/dev/"}, file)
	_, err := cluster.PushFiles(ctx, ref, config, files...)
	return err
}

// runDriver runs this program again, in the laboratory, with the plan.
func runDriver(ctx context.Context, cluster *lab.Cluster, plan *drive.Plan) (*result.File, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	input, err := json.Marshal(plan)
	if err != nil {
		return nil, err
	}
	var output bytes.Buffer
	cmd := exec.CommandContext(ctx, self, "drive")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), &output, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGTERM) }
	cmd.WaitDelay = 5 * time.Minute
	if err := cluster.Start(cmd); err != nil {
		return nil, err
	}
	err = cmd.Wait()
	f := &result.File{}
	if output.Len() == 0 {
		return nil, err
	}
	return f, errors.Join(err, json.Unmarshal(output.Bytes(), f))
}

// driveCommand is the client: the plan comes from the standard input, the results
// go to the standard output.
func driveCommand(ctx context.Context) error {
	plan := &drive.Plan{}
	if err := json.NewDecoder(os.Stdin).Decode(plan); err != nil {
		return err
	}
	f, err := drive.Run(ctx, plan, os.Stderr)
	return errors.Join(err, json.NewEncoder(os.Stdout).Encode(f))
}
