// SPDX-License-Identifier: Apache-2.0

// Package mixedcritest_test holds a node of both kinds against the CRI validation
// suite: wazelet with a containerd upstream, both real.
package mixedcritest_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/integration/critest"
	"github.com/wazelet/wazelet/integration/lab"
	"github.com/wazelet/wazelet/integration/lab/parts"
)

// cluster is the node, and program its critest.
var (
	cluster *lab.Cluster
	program string
)

func TestMain(m *testing.M) {
	flag.Parse()
	if flag.Lookup("test.list").Value.String() != "" {
		os.Exit(m.Run())
	}
	os.Exit(run(m))
}

// run brings the node up, runs the tests, looks for what stays, and takes all down.
func run(m *testing.M) (code int) {
	err := bringUp()
	code = 1
	if err == nil {
		var before lab.Snapshot
		if before, err = cluster.Snapshot(); err == nil {
			code = m.Run()
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			_, removed := cluster.Crictl(ctx, "rmp", "--all", "--force")
			err = errors.Join(removed, removeCgroups(), cluster.WaitClean(ctx, before))
		}
	}
	if cluster != nil {
		err = errors.Join(err, takeDown(code == 0 && err == nil))
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "FAIL: %v\n", err)
		return 1
	}
	return code
}

func bringUp() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("/tmp", "wazelet-mixed-")
	if err != nil {
		return err
	}
	if cluster, err = lab.New(lab.Options{Dir: dir, Mixed: true, Log: os.Stdout, Mirrored: critest.Hosts}); err != nil {
		return errors.Join(err, os.Remove(dir))
	}
	if err := cluster.UpRuntime(ctx); err != nil {
		return fmt.Errorf("bring up the node: %w", err)
	}
	digest, err := pushImages(ctx)
	if err != nil {
		return err
	}
	program = filepath.Join(dir, "critest")
	return critest.WriteProgram(cluster, program, digest)
}

// pushImages stores the suite's images, each of both kinds under one name.
func pushImages(ctx context.Context) (digest string, err error) {
	busybox, commands, err := lab.Busybox(ctx, os.Stdout)
	if err != nil {
		return "", err
	}
	euid, err := buildEUID(ctx)
	if err != nil {
		return "", err
	}
	wasm, err := critest.Wasm()
	if err != nil {
		return "", err
	}
	return critest.Push(ctx, cluster, critest.Native(busybox, euid, commands), wasm)
}

func buildEUID(ctx context.Context) ([]byte, error) {
	repo, err := parts.Repo()
	if err != nil {
		return nil, err
	}
	file := filepath.Join(cluster.Dir(), "euid")
	cmd := exec.CommandContext(ctx, "go", "build", "-p", "2", "-trimpath", "-ldflags", "-s -w", "-o", file, "./integration/mixedcritest/euid")
	cmd.Dir, cmd.Env = repo, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build euid: %w\n%s", err, out)
	}
	return os.ReadFile(file)
}

// removeCgroups removes the pods' cgroups, as the kubelet does; those of the suite's
// pods, which has no kubelet and names none, are where containerd puts them.
func removeCgroups() error {
	var all []string
	for _, pattern := range []string{"/sys/fs/cgroup/*" + cluster.CgroupParent("pods"), "/sys/fs/cgroup/*/k8s.io", "/sys/fs/cgroup/k8s.io"} {
		groups, err := filepath.Glob(pattern)
		if err != nil {
			return err
		}
		all = append(all, groups...)
	}
	var errs []error
	for _, group := range all {
		// Another containerd on the machine may have pods there.
		if err := os.Remove(group); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.EBUSY) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// takeDown takes the node down. The scratch folder with the logs stays when something
// went wrong.
func takeDown(tidy bool) error {
	if !tidy {
		for _, name := range []string{"wazelet", "containerd"} {
			fmt.Fprintf(os.Stderr, "--- %s\n%s\n", name, lab.Tail(cluster.LogFile(name), 25))
		}
		fmt.Fprintf(os.Stderr, "the logs are in %s/log\n", cluster.Dir())
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	if err := cluster.Down(ctx); err != nil {
		return fmt.Errorf("take down the node: %w", err)
	}
	if !tidy {
		return nil
	}
	return cluster.RemoveScratch()
}
