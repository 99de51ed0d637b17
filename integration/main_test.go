// SPDX-License-Identifier: Apache-2.0

package integration_test

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

// cluster is the one that all tests share.
var cluster *lab.Cluster

// logMaxSize is the size at which the kubelet rotates logs: small, for
// TestLogRotation, and beyond what any other test writes.
const logMaxSize = "256Ki"

// featureGates are what the suite tests of the API that is not on by default. They
// only add fields to it.
var featureGates = []string{"VolumeBindMountOptions"}

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
	err := bringUp()
	var before state
	if err == nil {
		before, err = baseline()
	}
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
	if err := lab.PrepareServers(ctx, os.Stdout); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("/tmp", "wazelet-e2e-")
	if err != nil {
		return err
	}
	if cluster, err = lab.New(lab.Options{Dir: dir, LogMaxSize: logMaxSize, FeatureGates: featureGates}); err != nil {
		return errors.Join(err, os.Remove(dir))
	}
	if err := cluster.Up(ctx); err != nil {
		return fmt.Errorf("bring up the cluster: %w", err)
	}
	_, err = cluster.Kubectl(ctx, "apply", "-f", filepath.Join(repo, "examples", "runtimeclass.yaml"))
	return errors.Join(err, cluster.StartSecureRegistries(ctx), cluster.PushGuests(ctx), cluster.PushServers(ctx), pushImages(ctx, repo))
}

// state is what a cluster without pods holds.
type state struct {
	snapshot   lab.Snapshot
	goroutines map[string]int
}

// baseline looks at the cluster before its first pod and then runs one of each
// guest, so that every image is pulled and compiled.
func baseline() (state, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	var s state
	var err error
	if s.goroutines, err = cluster.Goroutines(ctx); err != nil {
		return state{}, err
	}
	if s.snapshot, err = cluster.Snapshot(); err != nil {
		return state{}, err
	}
	if err := warmUp(ctx); err != nil {
		return state{}, fmt.Errorf("first pods: %w", err)
	}
	return s, cluster.DeletePods(ctx)
}

func warmUp(ctx context.Context) error {
	for _, name := range guests.Programs {
		manifest := podManifest(name, "containers: [{name: main, image: 'registry.example/"+name+":1.0'}]")
		if err := cluster.Apply(ctx, manifest); err != nil {
			return err
		}
	}
	for _, name := range guests.Programs {
		if _, err := cluster.WaitPod(ctx, "default", name, lab.Finished); err != nil {
			return err
		}
	}
	return nil
}

// leftBehind deletes everything and returns what is there that was not there
// before the tests.
func leftBehind(before state) error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
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
