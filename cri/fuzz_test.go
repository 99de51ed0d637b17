// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"google.golang.org/protobuf/proto"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/runtime"
	"github.com/wazelet/wazelet/sandbox"
)

// known reads messages as a server of this version of the API sees them.
var known = proto.UnmarshalOptions{DiscardUnknown: true}

// marshal gives a fuzz seed.
func marshal(f *testing.F, m proto.Message) []byte {
	f.Helper()
	data, err := proto.Marshal(m)
	if err != nil {
		f.Fatal(err)
	}
	return data
}

// FuzzSandboxConfig sends what a client could send: it is refused by name, or
// taken over, kept as JSON, and echoed without loss.
func FuzzSandboxConfig(f *testing.F) {
	f.Add(marshal(f, kubeletPod()))
	f.Add(marshal(f, &runtimeapi.PodSandboxConfig{Metadata: &runtimeapi.PodSandboxMetadata{Name: "n", Namespace: "ns", Uid: "u"}}))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		var asked runtimeapi.PodSandboxConfig
		if known.Unmarshal(data, &asked) != nil {
			return
		}
		config, err := sandboxConfig(&asked, "wasm")
		if err != nil {
			if !errdefs.IsInvalidArgument(err) {
				t.Fatalf("%v: not InvalidArgument", err)
			}
			return
		}
		sb := sandbox.Sandbox{ID: "5a6d", Config: throughJSON(t, config), State: sandbox.StateReady, CreatedAt: time.Unix(1, 0), IPs: []string{"10.0.0.1"}}
		got := sandboxStatus(sb)
		if _, err := proto.Marshal(got); err != nil {
			t.Fatal(err)
		}
		if !proto.Equal(got.Metadata, asked.Metadata) || !maps.Equal(got.Labels, asked.Labels) || !maps.Equal(got.Annotations, asked.Annotations) {
			t.Fatalf("asked %v, echoed %v", &asked, got)
		}
	})
}

// FuzzContainerConfig does the same for containers.
func FuzzContainerConfig(f *testing.F) {
	f.Add(marshal(f, kubeletContainer()))
	f.Add(marshal(f, &runtimeapi.ContainerConfig{Metadata: &runtimeapi.ContainerMetadata{Name: "c"}, Image: &runtimeapi.ImageSpec{Image: "i"}}))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		var asked runtimeapi.ContainerConfig
		if known.Unmarshal(data, &asked) != nil {
			return
		}
		config, err := containerConfig(&asked)
		if err != nil {
			if !errdefs.IsInvalidArgument(err) {
				t.Fatalf("%v: not InvalidArgument", err)
			}
			return
		}
		c := runtime.Container{ID: "c0de", SandboxID: "5a6d", Config: throughJSON(t, config), State: runtime.StateRunning, CreatedAt: time.Unix(1, 0)}
		got := containerStatus(c, imageID)
		if _, err := proto.Marshal(got); err != nil {
			t.Fatal(err)
		}
		if got.GetMetadata().GetName() != asked.GetMetadata().GetName() || got.GetMetadata().GetAttempt() != asked.GetMetadata().GetAttempt() ||
			!maps.Equal(got.Labels, asked.Labels) || !maps.Equal(got.Annotations, asked.Annotations) || got.StopSignal != asked.StopSignal {
			t.Fatalf("asked %v, echoed %v", &asked, got)
		}
		sameMounts(t, asked.Mounts, got.Mounts)
		sameWords(t, asked.Command, c.Config.Command)
		sameWords(t, asked.Args, c.Config.Args)
		if len(c.Config.Env) != len(asked.Envs) {
			t.Fatalf("%d variables of %d", len(c.Config.Env), len(asked.Envs))
		}
	})
}

// FuzzResources checks that limits survive both ways, whatever they are.
func FuzzResources(f *testing.F) {
	f.Add(marshal(f, kubeletContainer().Linux.Resources))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		var asked runtimeapi.LinuxContainerResources
		if known.Unmarshal(data, &asked) != nil {
			return
		}
		converted, err := resources("linux", &asked)
		if err != nil {
			if !errdefs.IsInvalidArgument(err) {
				t.Fatalf("%v: not InvalidArgument", err)
			}
			return
		}
		echoed := echoResources(converted, int(asked.OomScoreAdj))
		again, err := resources("linux", echoed)
		if err != nil {
			t.Fatalf("what was echoed is refused: %v", err)
		}
		if !reflect.DeepEqual(converted, again) {
			t.Fatalf("%+v became %+v", converted, again)
		}
		if merged := mergeResources(converted, converted); !reflect.DeepEqual(merged, converted) {
			t.Fatalf("merged with itself: %+v, want %+v", merged, converted)
		}
	})
}

// FuzzClean checks that text of any origin becomes a proto string.
func FuzzClean(f *testing.F) {
	f.Add("plain", 3)
	f.Add("\xff€é", 4)
	f.Fuzz(func(t *testing.T, text string, limit int) {
		if limit < 0 {
			return
		}
		got := clean(text, limit)
		if len(got) > limit {
			t.Fatalf("%d bytes, limit %d", len(got), limit)
		}
		if _, err := proto.Marshal(&runtimeapi.ContainerStatus{Message: got}); err != nil {
			t.Fatal(err)
		}
	})
}

// throughJSON is what a record does to a config.
func throughJSON[T any](t *testing.T, v T) T {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var back T
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	return back
}

func sameMounts(t *testing.T, asked, got []*runtimeapi.Mount) {
	t.Helper()
	if len(asked) != len(got) {
		t.Fatalf("%d mounts of %d", len(got), len(asked))
	}
	for i, m := range asked {
		g := got[i]
		if m.GetContainerPath() != g.ContainerPath || m.GetHostPath() != g.HostPath || m.GetReadonly() != g.Readonly ||
			m.GetRecursiveReadOnly() != g.RecursiveReadOnly || m.GetPropagation() != g.Propagation ||
			m.GetImage().GetImage() != g.GetImage().GetImage() || m.GetImageSubPath() != g.ImageSubPath || !slices.Equal(m.GetMountOptions(), g.MountOptions) {
			t.Fatalf("asked %v, echoed %v", m, g)
		}
	}
}

func sameWords(t *testing.T, asked, got []string) {
	t.Helper()
	if !slices.Equal(asked, got) {
		t.Fatalf("asked %q, kept %q", asked, got)
	}
}
