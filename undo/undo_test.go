// SPDX-License-Identifier: Apache-2.0

package undo_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/wazelet/wazelet/undo"
)

type key struct{}

func TestRunTakesBackNewestFirst(t *testing.T) {
	var stack undo.Stack
	var order []string
	for _, name := range []string{"record", "netns", "network"} {
		stack.Push(name, func(context.Context) error {
			order = append(order, name)
			return nil
		})
	}
	if err := stack.Run(t.Context()); err != nil {
		t.Error(err)
	}
	if want := []string{"network", "netns", "record"}; !reflect.DeepEqual(order, want) {
		t.Errorf("ran %v, want %v", order, want)
	}
	if err := stack.Run(t.Context()); err != nil || len(order) != 3 {
		t.Errorf("a second run: %v, %v", order, err)
	}
}

func TestAFailingStepStopsNoOther(t *testing.T) {
	var stack undo.Stack
	first, last := errors.New("first"), errors.New("last")
	ran := false
	stack.Push("a", func(context.Context) error { return first })
	stack.Push("b", func(context.Context) error { ran = true; return nil })
	stack.Push("c", func(context.Context) error { return last })
	err := stack.Run(t.Context())
	if !ran || !errors.Is(err, first) || !errors.Is(err, last) {
		t.Errorf("ran %v, %v", ran, err)
	}
	for _, want := range []string{"undo a: first", "undo c: last"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
}

func TestStepsOutliveTheCallersContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "kept"))
	cancel()
	var stack undo.Stack
	stack.Push("a", func(ctx context.Context) error {
		if ctx.Err() != nil || ctx.Value(key{}) != "kept" {
			t.Errorf("%v, value %v", ctx.Err(), ctx.Value(key{}))
		}
		deadline, ok := ctx.Deadline()
		if left := time.Until(deadline); !ok || left > 30*time.Second || left < 20*time.Second {
			t.Errorf("%v left to undo", left)
		}
		return nil
	})
	if err := stack.Run(ctx); err != nil {
		t.Error(err)
	}
}

func TestReleaseForgets(t *testing.T) {
	var stack undo.Stack
	stack.Push("a", func(context.Context) error { t.Error("a released step ran"); return nil })
	stack.Release()
	if err := stack.Run(t.Context()); err != nil {
		t.Error(err)
	}
}
