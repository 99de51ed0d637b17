// SPDX-License-Identifier: Apache-2.0

// Package imagegc_test lets an unmodified kubelet make room on a node whose image file
// system is full. The cluster is one of its own, with a small file system for wazelet's
// root.
package imagegc_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/wazelet/wazelet/integration/guests"
	"github.com/wazelet/wazelet/integration/lab"
	"github.com/wazelet/wazelet/integration/lab/parts"
)

// cluster is the node's.
var cluster *lab.Cluster

const (
	// rootSize is that of the image file system, in bytes.
	rootSize = 384 << 20
	// threshold is how much of it the kubelet keeps free.
	threshold = 64 << 20
)

func TestMain(m *testing.M) {
	flag.Parse()
	if flag.Lookup("test.list").Value.String() != "" {
		os.Exit(m.Run())
	}
	os.Exit(run(m))
}

// run brings the cluster up, runs the tests, looks for leaks and takes all down.
func run(m *testing.M) int {
	err := bringUp()
	code := 1
	if err == nil {
		var before lab.Snapshot
		if before, err = cluster.Snapshot(); err == nil {
			code = m.Run()
			err = leftBehind(before)
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
	repo, err := parts.Repo()
	if err != nil {
		return err
	}
	if err := guests.Build(ctx, repo, filepath.Join(parts.Cache(repo), "guests")); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("/tmp", "wazelet-gc-")
	if err != nil {
		return err
	}
	options := lab.Options{
		Dir: dir, RootSize: rootSize, Pinned: []string{pinnedImage},
		// Compiled, it would weigh as much as the images, at a time of its own.
		WazeletConfig: "[worker]\ntoolbox = false\n",
		Kubelet: map[string]any{
			"evictionHard": map[string]string{"imagefs.available": fmt.Sprint(threshold)},
			// The shortest that there are: 0 is the default.
			"evictionPressureTransitionPeriod": "1s",
			"imageMinimumGCAge":                "1s",
		},
	}
	if cluster, err = lab.New(options); err != nil {
		return errors.Join(err, os.Remove(dir))
	}
	if err := cluster.Up(ctx); err != nil {
		return fmt.Errorf("bring up the cluster: %w", err)
	}
	_, err = cluster.Kubectl(ctx, "apply", "-f", filepath.Join(repo, "examples", "runtimeclass.yaml"))
	return errors.Join(err, pushImages(ctx))
}

// leftBehind deletes everything and returns what is there that was not there
// before the tests.
func leftBehind(before lab.Snapshot) error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	if err := cluster.DeletePods(ctx); err != nil {
		return err
	}
	// The kubelet removes the sandboxes of deleted pods once a minute.
	if _, err := cluster.Crictl(ctx, "rmp", "--all"); err != nil {
		return err
	}
	return cluster.WaitClean(ctx, before)
}

// takeDown takes the cluster down. The scratch folder with the logs stays when
// something went wrong.
func takeDown(tidy bool) error {
	if !tidy {
		for _, name := range []string{"wazelet", "kubelet"} {
			fmt.Fprintf(os.Stderr, "--- %s\n%s\n", name, lab.Tail(cluster.LogFile(name), 25))
		}
		fmt.Fprintf(os.Stderr, "the logs are in %s/log\n", cluster.Dir())
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	if err := cluster.Down(ctx); err != nil {
		return fmt.Errorf("take down the cluster: %w", err)
	}
	if !tidy {
		return nil
	}
	return cluster.RemoveScratch()
}
