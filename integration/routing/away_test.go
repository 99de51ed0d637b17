// SPDX-License-Identifier: Apache-2.0

package routing_test

import (
	"context"
	"flag"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// trouble is how long containerd has trouble for; CI is content with a minute.
var trouble = flag.Duration("trouble", time.Minute, "how long containerd is killed, stopped, restarted and replaced under load")

// troubles are what happens to containerd, one after the other.
var troubles = []struct {
	make func(context.Context) error
	away time.Duration // how long it stays so
	mend func(context.Context) error
}{
	{killed, 3 * time.Second, begun},
	{signalled(unix.SIGSTOP), 4 * time.Second, signalled(unix.SIGCONT)},
	{ended, 0, begun},
	{signalled(unix.SIGSTOP), 13 * time.Second, signalled(unix.SIGCONT)},
	{replaced, 0, begun},
}

func killed(ctx context.Context) error { return cluster.KillContainerd(ctx) }
func ended(ctx context.Context) error  { return cluster.StopContainerd(ctx) }
func begun(ctx context.Context) error  { return cluster.StartContainerd(ctx) }

// replaced ends containerd and has another file of the program take its place, as an
// upgrade of the package does.
func replaced(ctx context.Context) error {
	if err := ended(ctx); err != nil {
		return err
	}
	return cluster.ReplaceContainerd()
}

func signalled(s unix.Signal) func(context.Context) error {
	return func(context.Context) error { return cluster.SignalContainerd(s) }
}

// TestUpstreamTrouble kills, stops, restarts and replaces containerd while pods of all
// kinds come and go. No list is ever short, no Wasm pod notices, and what ran before
// runs after, in the same process.
func TestUpstreamTrouble(t *testing.T) {
	node := dial(t, cluster.Socket())
	stable := []started{
		node.run(t, pod("stable-wasm"), "wasm", wasmImage),
		node.run(t, pod("stable-native"), "runc", nativeImage),
		node.run(t, pod("stable-hybrid"), "hybrid", wasmImage),
	}
	before := map[string]int{}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	watching, stopWatching := context.WithCancel(ctx)
	recorder := record(watching, node)
	for _, s := range stable {
		before[s.container] = node.pid(t, s.container)
		recorder.expect(s)
	}
	var load sync.WaitGroup
	loading, stopLoading := context.WithCancel(ctx)
	wasm, native := &churn{handler: "wasm", image: wasmImage}, &churn{handler: "runc", image: nativeImage}
	for _, c := range []*churn{wasm, native} {
		load.Go(func() { c.run(loading, t, node, recorder) })
	}

	for since, round := time.Now(), 0; time.Since(since) < *trouble; round++ {
		it := troubles[round%len(troubles)]
		must(t, it.make(ctx))
		pause(ctx, it.away)
		must(t, it.mend(ctx))
		awaitUpstream(t, node, true)
		pause(ctx, 2*time.Second) // of an ordinary life
	}
	stopLoading()
	load.Wait()
	awaitUpstream(t, node, true)
	stopWatching()
	recorder.verdict(t)
	for _, s := range stable {
		if pid := node.pid(t, s.container); pid != before[s.container] {
			t.Errorf("container %s is process %d, was %d", s.container, pid, before[s.container])
		}
	}
	if wasm.failed > 0 || wasm.made == 0 {
		t.Errorf("Wasm pods: %d made, %d failed", wasm.made, wasm.failed)
	}
	t.Logf("pods that came and went: %d Wasm (the slowest after %s), %d native, %d native ones refused",
		wasm.made, wasm.slowest.Round(time.Millisecond), native.made, native.failed)
}

// churn makes pods of one kind and removes them again.
type churn struct {
	handler, image string
	made, failed   int
	slowest        time.Duration // from the first call of a pod to its start
}

func (c *churn) run(ctx context.Context, t *testing.T, node client, r *recorder) {
	background := context.WithoutCancel(ctx)
	for ctx.Err() == nil {
		since := time.Now()
		s, err := node.start(background, pod("churn-"+c.handler), c.handler, c.image)
		if err == nil {
			r.expect(s)
			c.made++
			c.slowest = max(c.slowest, time.Since(since))
			pause(ctx, 300*time.Millisecond)
		} else {
			c.failed++
			if c.handler == "wasm" {
				t.Errorf("a Wasm pod: %v", err)
			}
			pause(ctx, 100*time.Millisecond)
		}
		r.forget(s)
		c.end(background, t, node, s.pod)
	}
}

// end removes a pod, as soon as its runtime lets it.
func (c *churn) end(ctx context.Context, t *testing.T, node client, podID string) {
	if podID == "" {
		return
	}
	for deadline := time.Now().Add(time.Minute); ; {
		err := node.end(ctx, podID)
		if err == nil {
			return
		}
		if c.handler == "wasm" || time.Now().After(deadline) {
			t.Errorf("pod %s of %s cannot be removed: %v", podID, c.handler, err)
			return
		}
		pause(ctx, 200*time.Millisecond)
	}
}

// awaitUpstream waits until the node says that containerd is there, or away.
func awaitUpstream(t testing.TB, node client, there bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		resp, err := node.Status(t.Context(), &runtimeapi.StatusRequest{})
		must(t, err)
		ready := false
		for _, c := range resp.GetStatus().GetConditions() {
			switch {
			case c.GetType() == "UpstreamReady":
				ready = c.GetStatus()
			case c.GetType() == runtimeapi.RuntimeReady && !c.GetStatus():
				t.Errorf("the node is not ready: %v", c)
			}
		}
		if ready == there {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("upstream ready: %t, want %t: %v", ready, there, resp)
		}
		pause(t.Context(), 50*time.Millisecond)
	}
}

// TestChangesAnswerUnavailableWhileContainerdIsAway: what a kubelet tries again.
func TestChangesAnswerUnavailableWhileContainerdIsAway(t *testing.T) {
	node := dial(t, cluster.Socket())
	ctx := t.Context()
	config := pod("away")
	s := node.run(t, config, "runc", nativeImage)
	must(t, cluster.KillContainerd(ctx))
	defer func() {
		must(t, cluster.StartContainerd(ctx))
		awaitUpstream(t, node, true)
	}()
	awaitUpstream(t, node, false)
	_, stopped := node.StopContainer(ctx, &runtimeapi.StopContainerRequest{ContainerId: s.container})
	_, run := node.RunPodSandbox(ctx, &runtimeapi.RunPodSandboxRequest{Config: pod("new"), RuntimeHandler: "runc"})
	_, exec := node.ExecSync(ctx, &runtimeapi.ExecSyncRequest{ContainerId: s.container, Cmd: []string{"/web"}})
	for what, err := range map[string]error{"StopContainer": stopped, "RunPodSandbox": run, "ExecSync": exec} {
		if status.Code(err) != codes.Unavailable {
			t.Errorf("%s: %v", what, err)
		}
	}
	for range 20 {
		begun := time.Now()
		if _, err := node.ListPodSandbox(ctx, &runtimeapi.ListPodSandboxRequest{}); err != nil || time.Since(begun) > time.Second {
			t.Errorf("listed after %s: %v", time.Since(begun), err)
		}
	}
}

// pause waits, but not longer than the context lives.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
