// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/runtime"
)

// items counts how often it was asked for one.
type items struct{ asked int }

func (i *items) encode(c *runtime.Container) proto.Message {
	i.asked++
	if c.State == runtime.StateCreating {
		return nil
	}
	return containerItem(c)
}

func someContainers(count int) []*runtime.Container {
	list := make([]*runtime.Container, count)
	for i := range list {
		list[i] = &runtime.Container{
			ID: fmt.Sprintf("%064d", i), SandboxID: fmt.Sprintf("%064d", i/2), State: runtime.StateRunning, CreatedAt: time.Unix(int64(i), 0),
			Config: runtime.Config{
				Name: "web", ImageRef: "registry.example/web:1", ImageID: "sha256:c0de",
				Labels: map[string]string{
					"io.kubernetes.container.name": "web", "io.kubernetes.pod.name": fmt.Sprintf("web-%d", i), "io.kubernetes.pod.namespace": "default",
					"io.kubernetes.pod.uid": "5f0e2c1e-8f4e-4d3b-9f53-0123456789ab",
				},
				Annotations: map[string]string{
					"io.kubernetes.container.hash": "8a1c2d3e", "io.kubernetes.container.restartCount": "0",
					"io.kubernetes.container.terminationMessagePath": "/dev/termination-log", "io.kubernetes.container.terminationMessagePolicy": "File",
				},
			},
		}
	}
	return list
}

// seenOf is what a client sees of the answer.
func seenOf(t *testing.T, e *encodings[runtime.Container], list []*runtime.Container, f *runtimeapi.ContainerFilter) []*runtimeapi.Container {
	t.Helper()
	sent, got := &runtimeapi.ListContainersResponse{}, &runtimeapi.ListContainersResponse{}
	must(t, e.answer(sent, list, containerFilter(f)))
	raw, err := newCodec().Marshal(sent)
	must(t, err)
	must(t, proto.Unmarshal(raw.Materialize(), got))
	if len(got.ProtoReflect().GetUnknown()) > 0 {
		t.Error("fields that nobody knows")
	}
	return got.GetContainers()
}

func TestEncodedListsAreWhatTheirItemsAre(t *testing.T) {
	i := &items{}
	e := newEncodings(i.encode)
	list := someContainers(9)
	check := func(what string, f *runtimeapi.ContainerFilter, asked int) {
		t.Helper()
		before := i.asked
		got := seenOf(t, e, list, f)
		var want []*runtimeapi.Container
		for _, c := range list {
			if c.State != runtime.StateCreating && matchesContainer(*c, f) {
				want = append(want, containerItem(c))
			}
		}
		same(t, what, want, got)
		if n := i.asked - before; n != asked {
			t.Errorf("%s: %d items were encoded, want %d", what, n, asked)
		}
	}
	one := &runtimeapi.ContainerFilter{PodSandboxId: list[4].SandboxID}
	check("first", nil, 9)
	check("again", nil, 0)
	check("of one pod", one, 0)

	changed := *list[4]
	changed.State, changed.ExitCode = runtime.StateExited, 3
	list = slices.Clone(list)
	list[4] = &changed
	check("of one pod, one changed", one, 1)
	check("one changed", nil, 0)
	check("that ended", &runtimeapi.ContainerFilter{State: &runtimeapi.ContainerStateValue{State: runtimeapi.ContainerState_CONTAINER_EXITED}}, 0)

	hidden := *list[5]
	hidden.State = runtime.StateCreating
	list = append(slices.Clone(list[1:5]), &hidden, list[6])
	check("two gone, one not shown", nil, 1)
	list = nil
	check("none", nil, 0)
}

// TestAnswersDoNotShareWhatMayChange: the list of the other runtime is appended to one.
func TestAnswersDoNotShareWhatMayChange(t *testing.T) {
	e := newEncodings((&items{}).encode)
	list := someContainers(3)
	want := seenOf(t, e, list, nil)
	var answer runtimeapi.ListContainersResponse
	must(t, e.answer(&answer, list, nil))
	m := answer.ProtoReflect()
	m.SetUnknown(append(m.GetUnknown(), m.GetUnknown()...))
	answer.Containers = append(answer.Containers, containerItem(list[0]))
	sent, err := newCodec().Marshal(&answer)
	must(t, err)
	var got runtimeapi.ListContainersResponse
	must(t, proto.Unmarshal(sent.Materialize(), &got))
	same(t, "both", append(append([]*runtimeapi.Container{containerItem(list[0])}, want...), want...), got.GetContainers())
	same(t, "after it", want, seenOf(t, e, list, nil))
}

// TestListsAreAskedForAtOnce, by the race detector.
func TestListsAreAskedForAtOnce(t *testing.T) {
	e := newEncodings((&items{}).encode)
	lists := [][]*runtime.Container{someContainers(20), someContainers(30)}
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			list := lists[i%2]
			for range 20 {
				if got := seenOf(t, e, list, nil); len(got) != len(list) || got[7].GetId() != list[7].ID {
					t.Errorf("%d of %d", len(got), len(list))
				}
			}
		})
	}
	all.Wait()
}

func TestEncodedStatusesAreWhatTheyShow(t *testing.T) {
	list := someContainers(40)
	s := &statuses{current: func() []*runtime.Container { return list }}
	check := func(c *runtime.Container, ref string) {
		t.Helper()
		sent, got := &runtimeapi.ContainerStatusResponse{}, &runtimeapi.ContainerStatusResponse{}
		must(t, s.answer(sent, c, ref))
		raw, err := proto.Marshal(sent)
		must(t, err)
		must(t, proto.Unmarshal(raw, got))
		if want := containerStatus(*c, ref); !proto.Equal(got.GetStatus(), want) {
			t.Errorf("got  %v\nwant %v", got, want)
		}
	}
	for _, c := range list {
		check(c, "registry.example/web@sha256:1")
	}
	check(list[3], "registry.example/web@sha256:1")
	check(list[3], "registry.example/web@sha256:2") // its image has another name now
	for i := range 1000 {                           // as many changes of one
		changed := *list[3]
		changed.ExitCode = int32(i)
		list[3] = &changed
		check(list[3], "registry.example/web@sha256:2")
	}
	if kept := len(s.kept); kept > 3*len(list) {
		t.Errorf("%d are kept for %d containers", kept, len(list))
	}
}

// BenchmarkListContainers is the answer to a kubelet that asks for 500 containers of
// which none, or one, has changed.
func BenchmarkListContainers(b *testing.B) {
	for _, changes := range []bool{false, true} {
		b.Run(fmt.Sprintf("changes=%t", changes), func(b *testing.B) {
			e := newEncodings((&items{}).encode)
			list, codec := someContainers(benchPods), newCodec()
			b.ReportAllocs()
			for b.Loop() {
				if changes {
					changed := *list[7]
					list = slices.Clone(list)
					list[7] = &changed
				}
				var answer runtimeapi.ListContainersResponse
				if err := e.answer(&answer, list, nil); err != nil {
					b.Fatal(err)
				}
				data, err := codec.Marshal(&answer)
				if err != nil {
					b.Fatal(err)
				}
				data.Free()
			}
		})
	}
}
