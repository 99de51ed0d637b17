// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"testing"
	"time"

	"github.com/containerd/errdefs"
)

func TestReadinessEndsWithTheStop(t *testing.T) {
	n := newNode(t)
	c := n.start()
	if _, _, err := c.Ready("0123"); !errdefs.IsNotFound(err) {
		t.Errorf("an absent sandbox: %v", err)
	}
	made := create(t, c, nodeConfig("pod"))
	sb, ready, err := c.Ready(made.ID[:12])
	if err != nil || sb.ID != made.ID || ready.Err() != nil {
		t.Fatalf("%s, %v, %v", sb.ID, ready.Err(), err)
	}
	if err := c.Stop(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ready.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("the sandbox has stopped and nobody is told")
	}
	if cause := context.Cause(ready); !errdefs.IsFailedPrecondition(cause) {
		t.Errorf("the cause is %v", cause)
	}
	if _, _, err := c.Ready(made.ID); !errdefs.IsFailedPrecondition(err) {
		t.Errorf("a stopped sandbox: %v", err)
	}
}

// TestReadinessOutlivesTheController is of a daemon that ends: the pod goes on.
func TestReadinessOutlivesTheController(t *testing.T) {
	n := newNode(t)
	first := n.start()
	made := create(t, first, nodeConfig("pod"))
	_, ready, err := first.Ready(made.ID)
	if err != nil {
		t.Fatal(err)
	}
	first.Close()
	if ready.Err() != nil {
		t.Error("the sandbox is no longer ready")
	}
	if _, _, err := n.start().Ready(made.ID); err != nil {
		t.Errorf("after a restart: %v", err)
	}
}

func TestASandboxBeingCreatedIsNotReady(t *testing.T) {
	c := &Controller{store: newStore()}
	c.store.publish(Sandbox{ID: "ab", State: StateCreating})
	if _, _, err := c.Ready("ab"); !errdefs.IsNotFound(err) {
		t.Errorf("%v", err)
	}
}
