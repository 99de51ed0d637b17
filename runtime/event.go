// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"time"

	"github.com/wazelet/wazelet/sandbox"
)

// EventType says what has happened.
type EventType string

// What can happen to a container, and to a sandbox: it is started when it is
// ready and stopped when it is so no more.
const (
	EventCreated EventType = "created"
	EventStarted EventType = "started"
	EventStopped EventType = "stopped"
	EventDeleted EventType = "deleted"
)

// Event is one change of a container or a sandbox, with the pod as it was then.
type Event struct {
	Type EventType
	// ID is the container's id, or the sandbox's own.
	ID string
	At time.Time
	// Sandbox is the zero value for a container whose sandbox is unknown.
	Sandbox sandbox.Sandbox
	// Containers are those of the sandbox, oldest first.
	Containers []Container
}

// containerEvents are the events of one step of a container's life. A guest can
// be so short that its end is seen before the answer that it has been started:
// then both are told at once, so that nobody hears of an end without a start.
func containerEvents(was, is Container) []EventType {
	if was.State == is.State {
		return nil
	}
	switch is.State {
	case StateCreated:
		return []EventType{EventCreated}
	case StateRunning:
		return []EventType{EventStarted}
	case StateExited:
		if was.State == StateStarting && !is.StartedAt.IsZero() {
			return []EventType{EventStarted, EventStopped}
		}
		return []EventType{EventStopped}
	default:
		return nil
	}
}

// containerChanged is told of each step of a container while no other can
// follow, which keeps a container's events in order.
func (c *Controller) containerChanged(was, is Container) {
	c.publish(is.ID, is.SandboxID, containerEvents(was, is)...)
}

// containerRemoved is told of each container that is gone. One whose Create was
// taken back has never been seen.
func (c *Controller) containerRemoved(gone Container) {
	c.rates.forget(gone.ID)
	if gone.State != StateCreating {
		c.publish(gone.ID, gone.SandboxID, EventDeleted)
	}
}

// publish tells of a container.
func (c *Controller) publish(id, sandboxID string, types ...EventType) {
	if len(types) == 0 || !c.events.wanted() {
		return
	}
	sb, err := c.sandboxes.Get(sandboxID)
	if err != nil {
		sb = sandbox.Sandbox{} // stranded: its record was lost
	}
	c.tell(id, sb, c.store.containersOf(sandboxID), types)
}

// sandboxChanged is told of each change of a sandbox's state; the state of one
// that is gone is empty.
func (c *Controller) sandboxChanged(sb sandbox.Sandbox) {
	var types []EventType
	switch sb.State {
	case sandbox.StateReady:
		types = []EventType{EventCreated, EventStarted}
	case sandbox.StateNotReady:
		types = []EventType{EventStopped}
	default:
		types = []EventType{EventDeleted}
		c.rates.forget(sb.ID)
	}
	if c.events.wanted() {
		c.tell(sb.ID, sb, c.store.containersOf(sb.ID), types)
	}
}

func (c *Controller) tell(id string, sb sandbox.Sandbox, containers []Container, types []EventType) {
	for _, t := range types {
		c.events.publish(Event{Type: t, ID: id, At: time.Now(), Sandbox: sb, Containers: containers})
	}
}

// Subscribe returns the events from now on, and for a while after a start those
// of the recovery, when nobody could subscribe. The caller closes it.
func (c *Controller) Subscribe() *Subscription { return c.events.subscribe() }

// EndSubscriptions ends every subscription, and each that is yet to come, with
// ErrUnavailable: the daemon is about to stop.
func (c *Controller) EndSubscriptions() { c.events.close() }
