// SPDX-License-Identifier: Apache-2.0

package imagegc_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/wazelet/wazelet/integration/lab"
)

// TestKubeletMakesRoom fills the image file system to the last byte. The kubelet's
// eviction manager removes the images that nothing uses, all that was theirs is gone,
// and nothing else: a pod goes on and starts again from what it had.
func TestKubeletMakesRoom(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	n := node{t, ctx}

	n.run("pinned", pinnedImage, "")
	keeper := n.keep()
	n.until(func() error { return n.removeEnded(keeper) })
	kept, room := stored(t), available(t)
	images := n.images()
	for ref, command := range unusedImages {
		n.run(name(ref), ref, command)
	}
	// A pod that has ended and is not deleted has its container still, and so its image.
	n.finish("ended", prefix+"files:1", "")
	if got := len(n.images()); got != len(images)+len(unusedImages) {
		t.Fatalf("%d images of %d and %d", got, len(images), len(unusedImages))
	}
	if taken := room - available(t); taken < threshold {
		t.Fatalf("the unused images take %d bytes, less than the kubelet wants free", taken)
	}

	// An image must have been seen for imageMinimumGCAge before it is removed, and the
	// kubelet looks when it starts and every five minutes.
	if err := cluster.RestartKubelet(ctx); err != nil {
		t.Fatal(err)
	}
	n.until(n.measured)
	// A kubelet that starts under pressure refuses the pods that it finds. One that runs
	// another has taken them.
	n.runs("settled", pinnedImage, "")
	ballast := fill(t)
	n.waitEvent("EvictionThresholdMet", "Attempting to reclaim ephemeral-storage")
	n.until(func() error {
		if now := n.images(); !slices.Equal(now, images) {
			return fmt.Errorf("images: %q, want %q", now, images)
		}
		return nil
	})
	n.waitPressure("True")
	n.waitPressure("False")
	ballast.empty()
	n.nothingFailed()
	if n.logged("removal is not in the container's record") == 0 {
		t.Error("the disk had room for records, or no container was removed")
	}
	n.until(func() error { return n.only(keeper) })
	if now := stored(t); !slices.Equal(now, kept) {
		t.Errorf("stored: %q, want %q", now, kept)
	}
	// The database of the image store may have grown.
	if now := available(t); now < room-4<<20 {
		t.Errorf("%d bytes are free, were %d", now, room)
	}

	n.goesOn(keeper)
	n.startsAgain(keeper)
	n.run("again", prefix+"command:1", unusedImages[prefix+"command:1"])
	n.delete("keeper")
	n.delete("ended")
}

// TestPodIsEvictedFromAFullDisk leaves the kubelet nothing to remove but a pod. It ends,
// whole, though none of its steps can be written down.
func TestPodIsEvictedFromAFullDisk(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	n := node{t, ctx}
	victim := n.keep()
	n.until(func() error { return n.removeEnded(victim) })
	n.crictl(nil, "rmi", "--prune")
	ballast := keepFull(t)
	pod, err := cluster.WaitPod(ctx, "default", "keeper", lab.Failed)
	if err != nil {
		t.Fatal(err)
	}
	if pod.Status.Reason != "Evicted" {
		t.Errorf("pod keeper failed for the reason %q", pod.Status.Reason)
	}
	if _, err := os.Stat(fmt.Sprintf("/proc/%d", victim.pid)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("its worker: %v", err)
	}
	n.until(func() error { return n.only(container{}) })
	// The daemon begins on it, too.
	if err := cluster.RestartRuntime(ctx); err != nil {
		t.Fatal(err)
	}
	n.waitPressure("True")
	ballast.empty()
	n.nothingFailed()
	if n.logged("what has ended is not in the sandbox's record") == 0 {
		t.Error("the disk had room for records")
	}
	n.waitPressure("False")
	n.delete("keeper")
	n.runs("after", keeperImage, "")
}
