// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/containerd/errdefs"
)

func recovered() *bus {
	b := newBus()
	b.endRecovery()
	return b
}

func TestASlowSubscriberIsCutOffAndHoldsNobodyUp(t *testing.T) {
	b := recovered()
	slow, quick := b.subscribe(), b.subscribe()
	defer slow.Close()
	defer quick.Close()
	for i := range maxQueue + 1 {
		b.publish(Event{ID: fmt.Sprint(i)}) // would wait for ever if it waited
		if e, err := quick.Next(t.Context()); err != nil || e.ID != fmt.Sprint(i) {
			t.Fatalf("event %d: %+v, %v", i, e, err)
		}
	}
	for range 2 {
		if e, err := slow.Next(t.Context()); !errdefs.IsResourceExhausted(err) {
			t.Errorf("got %+v, %v; a reader that missed an event must hear so, and nothing else", e, err)
		}
	}
	b.publish(Event{ID: "after"})
	if e, err := quick.Next(t.Context()); err != nil || e.ID != "after" {
		t.Errorf("%+v, %v", e, err)
	}
}

func TestWhatIsQueuedComesBeforeTheEnd(t *testing.T) {
	b := recovered()
	s := b.subscribe()
	b.publish(Event{ID: "last"})
	b.close()
	if e, err := s.Next(t.Context()); err != nil || e.ID != "last" {
		t.Errorf("%+v, %v", e, err)
	}
	for _, s := range []*Subscription{s, b.subscribe()} {
		if _, err := s.Next(t.Context()); !errdefs.IsUnavailable(err) {
			t.Errorf("after the end: %v", err)
		}
		s.Close()
	}
	b.close()
}

func TestNextEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := recovered().subscribe()
	defer s.Close()
	var waiting sync.WaitGroup
	waiting.Go(func() {
		if _, err := s.Next(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
	cancel()
	waiting.Wait()
}

func TestNobodyIsToldOfWhatNobodyHears(t *testing.T) {
	b := newBus()
	if !b.wanted() {
		t.Error("the events of a recovery are kept")
	}
	b.endRecovery()
	if b.wanted() {
		t.Error("wanted without a subscriber")
	}
	s := b.subscribe()
	if !b.wanted() {
		t.Error("not wanted by its subscriber")
	}
	s.Close()
	s.Close()
	if b.wanted() {
		t.Error("wanted by one that has gone")
	}
}

func TestEventsOfTheRecoveryAwaitTheFirstSubscribers(t *testing.T) {
	b := newBus()
	for range maxQueue + 1 { // more than anybody may be behind
		b.publish(Event{ID: "early"})
	}
	b.endRecovery()
	for range 2 {
		s := b.subscribe()
		for range maxQueue {
			if e, err := s.Next(t.Context()); err != nil || e.ID != "early" {
				t.Fatalf("%+v, %v", e, err)
			}
		}
		s.Close()
	}
	b.recovered = time.Now().Add(-2 * earlyFor)
	s := b.subscribe()
	b.publish(Event{ID: "now"})
	if e, err := s.Next(t.Context()); err != nil || e.ID != "now" || b.early != nil {
		t.Errorf("long after the start: %+v, %v", e, err)
	}
}

func TestAStartIsToldBeforeTheEnd(t *testing.T) {
	at := func(s State) Container { return Container{State: s} }
	started := Container{State: StateExited, StartedAt: time.Now()}
	for _, tt := range []struct {
		was, is Container
		want    []EventType
	}{
		{at(StateCreating), at(StateCreated), []EventType{EventCreated}},
		{at(StateCreated), at(StateStarting), nil},
		{at(StateStarting), at(StateRunning), []EventType{EventStarted}},
		{at(StateRunning), at(StateRunning), nil},
		{at(StateRunning), started, []EventType{EventStopped}},
		{at(StateStarting), started, []EventType{EventStarted, EventStopped}},
		{at(StateStarting), at(StateExited), []EventType{EventStopped}},
		{at(StateCreated), at(StateExited), []EventType{EventStopped}},
		{started, started, nil},
		{at(StateExited), at(StateRemoving), nil},
	} {
		if got := containerEvents(tt.was, tt.is); fmt.Sprint(got) != fmt.Sprint(tt.want) {
			t.Errorf("%s to %s: %v, want %v", tt.was.State, tt.is.State, got, tt.want)
		}
	}
}
