// SPDX-License-Identifier: Apache-2.0

package delegate

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// TestOneDescriptionForAMetric: the kubelet drops values whose labels are not as
// described, so both sides' values get the labels of both.
func TestOneDescriptionForAMetric(t *testing.T) {
	own := labelKeys{"cpu": {"container", "pod"}, "ours": {"pod"}}
	theirs := labelKeys{"cpu": {"pod", "cpu", "container"}, "theirs": {"id"}}
	all := own.union(theirs)
	if !slices.Equal(all["cpu"], []string{"container", "pod", "cpu"}) || !slices.Equal(all["theirs"], []string{"id"}) {
		t.Fatalf("labels %v", all)
	}
	pod := &runtimeapi.PodSandboxMetrics{PodSandboxId: "p", ContainerMetrics: []*runtimeapi.ContainerMetrics{{Metrics: []*runtimeapi.Metric{
		{Name: "cpu", LabelValues: []string{"the pod", "cpu0", "the container"}},
		{Name: "theirs", LabelValues: []string{"x"}},
		{Name: "cpu", LabelValues: []string{"not", "as described"}},
	}}}}
	before := proto.CloneOf(pod)
	metrics := relabelled([]*runtimeapi.PodSandboxMetrics{pod}, theirs, all)[0].GetContainerMetrics()[0].GetMetrics()
	for i, want := range [][]string{{"the container", "the pod", "cpu0"}, {"x"}, {"not", "as described"}} {
		if got := metrics[i].GetLabelValues(); !slices.Equal(got, want) {
			t.Errorf("values %q, want %q", got, want)
		}
	}
	if !proto.Equal(before, pod) {
		t.Error("what the mirror has was changed")
	}
	plain := []*runtimeapi.PodSandboxMetrics{{Metrics: []*runtimeapi.Metric{{Name: "theirs", LabelValues: []string{"x"}}}}}
	if relabelled(plain, theirs, all)[0] != plain[0] {
		t.Error("copied without need")
	}
}

// TestFeaturesArePromisesOfBoth but for what Wazelet refuses pod by pod.
func TestFeaturesArePromisesOfBoth(t *testing.T) {
	ours := &runtimeapi.RuntimeFeatures{SupplementalGroupsPolicy: true, MountOptions: true}
	for name, tt := range map[string]struct {
		theirs *runtimeapi.StatusResponse
		want   *runtimeapi.RuntimeFeatures
	}{
		"never seen": {nil, ours},
		"none":       {&runtimeapi.StatusResponse{}, &runtimeapi.RuntimeFeatures{}},
		"all": {
			&runtimeapi.StatusResponse{Features: &runtimeapi.RuntimeFeatures{SupplementalGroupsPolicy: true, MountOptions: true, UserNamespacesHostNetwork: true}},
			&runtimeapi.RuntimeFeatures{SupplementalGroupsPolicy: true, MountOptions: true, UserNamespacesHostNetwork: true},
		},
	} {
		if got := features(ours, tt.theirs); !proto.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

// TestHandlersOfBoth: every name once, ours as we say, and "" as the default's.
func TestHandlersOfBoth(t *testing.T) {
	handler := func(name string, rro, userns bool) *runtimeapi.RuntimeHandler {
		return &runtimeapi.RuntimeHandler{Name: name, Features: &runtimeapi.RuntimeHandlerFeatures{RecursiveReadOnlyMounts: rro, UserNamespaces: userns}}
	}
	ours := []*runtimeapi.RuntimeHandler{handler("", true, false), handler("wasm", true, false)}
	theirs := []*runtimeapi.RuntimeHandler{handler("", false, true), handler("runc", false, true), handler("wasm", false, false)}
	for fallback, want := range map[string][]*runtimeapi.RuntimeHandler{
		"wasm": {handler("", true, false), handler("runc", false, true), handler("wasm", true, false)},
		"runc": {handler("", false, true), handler("runc", false, true), handler("wasm", true, false)},
	} {
		r := NewRouter(Local{Handlers: []string{"wasm"}, DefaultHandler: fallback}, nil)
		got := r.handlers(ours, theirs)
		if !slices.EqualFunc(got, want, func(a, b *runtimeapi.RuntimeHandler) bool { return proto.Equal(a, b) }) {
			t.Errorf("default %s: %v, want %v", fallback, got, want)
		}
	}
	r := NewRouter(Local{Handlers: []string{"wasm"}, DefaultHandler: "runc"}, nil)
	if got := r.handlers(ours, nil); len(got) != 2 || got[0].GetFeatures().GetRecursiveReadOnlyMounts() {
		t.Errorf("an upstream runtime that was never seen: %v", got)
	}
}

// TestImagesByEveryName finds an image as people write it.
func TestImagesByEveryName(t *testing.T) {
	const digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	image := &runtimeapi.Image{
		Id: digest, RepoTags: []string{"docker.io/library/busybox:latest", "registry.example/app:1"},
		RepoDigests: []string{"registry.example/app@" + digest},
	}
	all := []*runtimeapi.Image{{Id: "sha256:ffff"}, image}
	for _, ref := range []string{"busybox", "docker.io/busybox:latest", "registry.example/app:1", "registry.example/app@" + digest, digest, digest[7:], digest[7:19], digest[:19]} {
		if findImage(all, ref) != image {
			t.Errorf("%s is not found", ref)
		}
	}
	for _, ref := range []string{"", "app", "registry.example/app", "registry.example/app:2", "012", "sha256:1"} {
		if got := findImage(all, ref); got != nil {
			t.Errorf("%s is %v", ref, got)
		}
	}
}

// TestOneOfEachImage: what both sides have is one image, with the names and the room of
// both.
func TestOneOfEachImage(t *testing.T) {
	ours := []*runtimeapi.Image{{Id: "a", Size: 1, RepoTags: []string{"x:1"}}, {Id: "b", Size: 2}}
	theirs := []*runtimeapi.Image{{Id: "a", Size: 10, RepoTags: []string{"x:1", "y:1"}, RepoDigests: []string{"x@d"}, Pinned: true}, {Id: "c", Size: 3}}
	kept := proto.CloneOf(theirs[0])
	got := mergeImages(ours, theirs)
	want := []*runtimeapi.Image{{Id: "a", Size: 11, RepoTags: []string{"x:1", "y:1"}, RepoDigests: []string{"x@d"}, Pinned: true}, {Id: "b", Size: 2}, {Id: "c", Size: 3}}
	if !slices.EqualFunc(got, want, func(a, b *runtimeapi.Image) bool { return proto.Equal(a, b) }) {
		t.Errorf("got %v", got)
	}
	if !proto.Equal(theirs[0], kept) {
		t.Error("what the mirror has was changed")
	}
}

// TestFilesystemsAreAddedUpWhereTheyAreOne.
func TestFilesystemsAreAddedUpWhereTheyAreOne(t *testing.T) {
	usage := func(at string, bytes uint64) *runtimeapi.FilesystemUsage {
		return &runtimeapi.FilesystemUsage{
			FsId:      &runtimeapi.FilesystemIdentifier{Mountpoint: at},
			UsedBytes: &runtimeapi.UInt64Value{Value: bytes}, InodesUsed: &runtimeapi.UInt64Value{Value: bytes / 10},
		}
	}
	dir := t.TempDir()
	got := mergeFilesystems([]*runtimeapi.FilesystemUsage{usage(dir, 100)}, []*runtimeapi.FilesystemUsage{usage(dir, 50)})
	if len(got) != 1 || got[0].GetUsedBytes().GetValue() != 150 || got[0].GetInodesUsed().GetValue() != 15 {
		t.Errorf("on one: %v", got)
	}
	got = mergeFilesystems([]*runtimeapi.FilesystemUsage{usage("/proc", 100)}, []*runtimeapi.FilesystemUsage{usage(dir, 50)})
	if len(got) != 2 || got[0].GetUsedBytes().GetValue() != 100 || got[1].GetUsedBytes().GetValue() != 50 {
		t.Errorf("on two: %v", got)
	}
	got = mergeFilesystems(nil, []*runtimeapi.FilesystemUsage{usage(dir, 50)})
	if len(got) != 1 || got[0].GetUsedBytes().GetValue() != 50 {
		t.Errorf("on ours alone: %v", got)
	}
}
