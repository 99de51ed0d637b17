// SPDX-License-Identifier: Apache-2.0

// Package mixed_test drives a node of both kinds with kubectl: an unmodified control
// plane and kubelet on wazelet, with a containerd upstream. kube-proxy and CoreDNS are
// container pods, so Services and the cluster's DNS are as on any cluster.
package mixed_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/wazelet/wazelet/integration/lab"
)

// cluster is the one that all tests share.
var cluster *lab.Cluster

// goroutineSlack is how many goroutines of one creator may be more at the end: a
// request in flight has some. A leak would have one per pod.
const goroutineSlack = 6

func TestMain(m *testing.M) {
	flag.Parse()
	if flag.Lookup("test.list").Value.String() != "" {
		os.Exit(m.Run())
	}
	parallelism()
	os.Exit(run(m))
}

// parallelism lets more tests run at once than there are processors, because they
// mostly wait. An explicit -parallel wins.
func parallelism() {
	explicit := false
	flag.Visit(func(f *flag.Flag) { explicit = explicit || f.Name == "test.parallel" })
	if !explicit {
		if err := flag.Set("test.parallel", "6"); err != nil {
			panic(err) // the flag is the testing package's
		}
	}
}

// run brings the cluster up, runs the tests, looks for leaks and takes all down.
func run(m *testing.M) int {
	start := time.Now()
	before, err := bringUp()
	code := 1
	if err == nil {
		fmt.Printf("cluster: up after %s\n", time.Since(start).Round(time.Second/10))
		code = m.Run()
		err = leftBehind(before)
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

// state is what a cluster without pods holds.
type state struct {
	snapshot   lab.Snapshot
	goroutines map[string]int
}

// bringUp returns what the cluster held before its first pod.
func bringUp() (before state, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("/tmp", "wazelet-mixed-")
	if err != nil {
		return before, err
	}
	options := lab.Options{Dir: dir, Mixed: true, FeatureGates: []string{"PodAndContainerStatsFromCRI"}}
	if cluster, err = lab.New(options); err != nil {
		return before, errors.Join(err, os.Remove(dir))
	}
	if err := cluster.Up(ctx); err != nil {
		return before, fmt.Errorf("bring up the cluster: %w", err)
	}
	if before.goroutines, err = cluster.Goroutines(ctx); err != nil {
		return before, err
	}
	if before.snapshot, err = cluster.Snapshot(); err != nil {
		return before, err
	}
	for _, step := range []func(context.Context) error{
		applyClasses, pushImages, cluster.StartKubeProxy, cluster.StartCoreDNS, compile, cluster.StartMetricsServer,
	} {
		if err := step(ctx); err != nil {
			return before, err
		}
	}
	return before, nil
}

// classes are the RuntimeClasses of the node. What a pod costs beside its containers is
// nothing for Wasm, a shim and a pause process otherwise.
const classes = `
apiVersion: node.k8s.io/v1
kind: RuntimeClass
metadata: {name: wasm}
handler: wasm
scheduling: {nodeSelector: {wazelet.dev/runtime: "true"}}
---
apiVersion: node.k8s.io/v1
kind: RuntimeClass
metadata: {name: runc-other}
handler: runc-other
overhead: {podFixed: {memory: 16Mi}}
---
apiVersion: node.k8s.io/v1
kind: RuntimeClass
metadata: {name: hybrid}
handler: hybrid
scheduling: {nodeSelector: {wazelet.dev/runtime: "true"}}
overhead: {podFixed: {memory: 16Mi}}
`

func applyClasses(ctx context.Context) error {
	_, err := cluster.Kubectl(ctx, "label", "node", cluster.Node(), "wazelet.dev/runtime=true")
	return errors.Join(err, cluster.Apply(ctx, classes))
}

// leftBehind deletes everything and returns what is there that was not there
// before the first pod.
func leftBehind(before state) error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	if err := cluster.StopMetricsServer(ctx); err != nil {
		return err
	}
	if err := cluster.DeletePods(ctx); err != nil {
		return err
	}
	// The kubelet removes the sandboxes of deleted pods once a minute.
	if _, err := cluster.Crictl(ctx, "rmp", "--all"); err != nil {
		return err
	}
	if err := cluster.WaitClean(ctx, before.snapshot); err != nil {
		return err
	}
	after, err := cluster.Goroutines(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for creator, n := range after {
		if n > before.goroutines[creator]+goroutineSlack {
			errs = append(errs, fmt.Errorf("goroutines of wazelet made by %s: %d, were %d", creator, n, before.goroutines[creator]))
		}
	}
	return errors.Join(errs...)
}

// takeDown takes the cluster down. The scratch folder with the logs stays when
// something went wrong.
func takeDown(tidy bool) error {
	if !tidy {
		fmt.Fprintf(os.Stderr, "--- %s\n%s\nthe logs are in %s\n",
			cluster.LogFile("wazelet"), lab.Tail(cluster.LogFile("wazelet"), 40), filepath.Join(cluster.Dir(), "log"))
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
