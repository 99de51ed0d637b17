// SPDX-License-Identifier: Apache-2.0

package runtime_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/wazelet/wazelet/integration/guests/tiny"
	"github.com/wazelet/wazelet/runtime"
)

// next returns the subscription's next event.
func (d *daemon) next(s *runtime.Subscription) runtime.Event {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), time.Minute)
	defer cancel()
	e, err := s.Next(ctx)
	d.must(err)
	return e
}

// TestNoEndIsMissed starts and removes short guests side by side, and wants the
// four events of each, in order.
func TestNoEndIsMissed(t *testing.T) {
	d := newDaemon(t)
	sb := d.pod("busy")
	img := d.pull("exit:1", tiny.Print("", "", 5))
	events := d.containers.Subscribe()
	defer events.Close()
	const guests = 12
	var wg sync.WaitGroup
	for i := range guests {
		wg.Go(func() {
			c := d.create(sb, img, func(c *runtime.Config) { c.Name, c.LogPath = fmt.Sprintf("c%d", i), "" })
			d.must(d.containers.Start(t.Context(), c.ID))
			d.ended(c.ID)
			d.must(d.containers.Remove(t.Context(), c.ID))
		})
	}
	wg.Wait()
	seen := map[string][]runtime.EventType{}
	for range 4 * guests {
		e := d.next(events)
		seen[e.ID] = append(seen[e.ID], e.Type)
		if e.Sandbox.ID != sb.ID {
			t.Errorf("event of another sandbox: %+v", e)
		}
		own := slices.IndexFunc(e.Containers, func(c runtime.Container) bool { return c.ID == e.ID })
		if e.Type == runtime.EventDeleted && own >= 0 || e.Type != runtime.EventDeleted && own < 0 {
			t.Errorf("%s: the pod's containers are %v", e.Type, e.Containers)
		}
		if e.Type == runtime.EventStopped && e.Containers[own].ExitCode != 5 {
			t.Errorf("stopped, but %+v", e.Containers[own])
		}
	}
	want := []runtime.EventType{runtime.EventCreated, runtime.EventStarted, runtime.EventStopped, runtime.EventDeleted}
	for id, got := range seen {
		if !slices.Equal(got, want) {
			t.Errorf("container %s: %v", id, got)
		}
	}
	if len(seen) != guests {
		t.Errorf("%d containers, want %d", len(seen), guests)
	}
}

// TestAnEndDuringAnAbsenceIsToldAfterIt kills a guest while no daemon is there.
func TestAnEndDuringAnAbsenceIsToldAfterIt(t *testing.T) {
	d := newDaemon(t)
	c := d.create(d.pod("absent"), d.pull("pause:1", tiny.Pause("up\n")), nil)
	d.must(d.containers.Start(t.Context(), c.ID))
	d.logged(c, "up")
	d.close()
	d.must(syscall.Kill(c.Pid, syscall.SIGKILL))
	d.open()
	events := d.containers.Subscribe() // after the recovery
	defer events.Close()
	if e := d.next(events); e.Type != runtime.EventStopped || e.ID != c.ID || len(e.Containers) != 1 || e.Containers[0].ExitCode != 137 {
		t.Errorf("got %+v", e)
	}
}

// TestAFailedCreateIsNoEvent: nobody has ever seen the container.
func TestAFailedCreateIsNoEvent(t *testing.T) {
	d := newDaemon(t)
	sb := d.pod("failing")
	img := d.pull("hello:1", tiny.Hello("x"))
	events := d.containers.Subscribe()
	defer events.Close()
	if _, err := d.containers.Create(t.Context(), sb.ID, runtime.Config{Name: "bad", ImageID: img.ID, Command: []string{"/absent"}}); err == nil {
		t.Fatal("no error")
	}
	c := d.create(sb, img, nil)
	if e := d.next(events); e.Type != runtime.EventCreated || e.ID != c.ID {
		t.Errorf("got %+v", e)
	}
}
