// SPDX-License-Identifier: Apache-2.0

package delegate

import (
	"fmt"
	"strings"
	"testing"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// item is "name=value".
func items(t *table[string]) string { return strings.Join(t.items, " ") }

func newTable() *table[string] {
	return &table[string]{id: func(s string) string { id, _, _ := strings.Cut(s, "="); return id }}
}

// TestAListThatWasOnItsWayLosesNothing: what a call has done since a list was asked for
// is in the list that comes.
func TestAListThatWasOnItsWayLosesNothing(t *testing.T) {
	list := newTable()
	first := list.begin()
	list.end(first, []string{"a=1", "b=1"}, true)

	from := list.begin()
	list.put("c=1")
	list.edit("a", func(string) string { return "a=2" })
	list.edit("nobody", func(string) string { return "nobody=1" })
	list.drop("b")
	if got := items(list); got != "a=2 c=1" {
		t.Errorf("at once %q", got)
	}
	list.end(from, []string{"a=1", "b=1"}, true) // it was made before all that
	if got := items(list); got != "a=2 c=1" {
		t.Errorf("with the list %q", got)
	}

	failed, other := list.begin(), list.begin()
	list.drop("c")
	list.end(failed, nil, false)
	if got := items(list); got != "a=2" {
		t.Errorf("after a list that did not come %q", got)
	}
	list.end(other, []string{"a=3", "c=1", "d=1"}, true)
	if got := items(list); got != "a=3 d=1" {
		t.Errorf("after the one that did %q", got)
	}
	if len(list.changes) != 0 {
		t.Errorf("changes are kept though no list is on its way: %v", list.changes)
	}
}

// TestReadersKeepWhatTheyHave: a list that was given out is not changed any more.
func TestReadersKeepWhatTheyHave(t *testing.T) {
	list := newTable()
	list.end(list.begin(), []string{"a=1", "b=1"}, true)
	given := list.items
	list.put("a=2")
	list.drop("b")
	list.put("c=1")
	if got := strings.Join(given, " "); got != "a=1 b=1" {
		t.Errorf("changed to %q", got)
	}
}

// TestWhatHappenedMeanwhile tells the events between two moments.
func TestWhatHappenedMeanwhile(t *testing.T) {
	pod := func(id string, ready bool) *runtimeapi.PodSandbox {
		sb := &runtimeapi.PodSandbox{Id: id}
		if !ready {
			sb.State = runtimeapi.PodSandboxState_SANDBOX_NOTREADY
		}
		return sb
	}
	container := func(id string, state runtimeapi.ContainerState) *runtimeapi.Container {
		return &runtimeapi.Container{Id: id, PodSandboxId: "p", State: state}
	}
	const (
		created = runtimeapi.ContainerState_CONTAINER_CREATED
		runs    = runtimeapi.ContainerState_CONTAINER_RUNNING
		exited  = runtimeapi.ContainerState_CONTAINER_EXITED
	)
	then := &sight{
		sandboxes: []*runtimeapi.PodSandbox{pod("p", true), pod("gone", true), pod("stopped", true)},
		containers: []*runtimeapi.Container{
			container("same", runs), container("ended", runs), container("began", created), container("removed", exited), container("lost", runs),
		},
	}
	now := &sight{
		sandboxes: []*runtimeapi.PodSandbox{pod("p", true), pod("stopped", false), pod("new", true)},
		containers: []*runtimeapi.Container{
			container("same", runs), container("ended", exited), container("began", runs), container("quick", exited), container("waits", created),
		},
	}
	var got []string
	for _, e := range now.since(then) {
		if e.sandbox == nil {
			t.Errorf("event without its pod: %v", e)
		}
		kind := strings.TrimSuffix(strings.TrimPrefix(e.kind.String(), "CONTAINER_"), "_EVENT")
		got = append(got, fmt.Sprintf("%s %s", e.id, strings.ToLower(kind)))
	}
	want := "stopped stopped, new created, new started, ended stopped, began started, " +
		"quick created, quick started, quick stopped, waits created, gone stopped, gone deleted, removed deleted, lost stopped, lost deleted"
	if strings.Join(got, ", ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, ", "), want)
	}
}
