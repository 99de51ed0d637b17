// SPDX-License-Identifier: Apache-2.0

package imageservice

import (
	"slices"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

func TestEveryNameLeadsToTheSameImage(t *testing.T) {
	h := newHub(t)
	digest := h.push(t, "app:1", helloImage(t, "hi"))
	s := newService(t, nil)
	pulled := mustPull(t, s, h.ref("app:1"))
	hex := strings.TrimPrefix(pulled.ID, "sha256:")

	for _, ref := range []string{
		h.ref("app:1"),
		h.ref("app@" + digest),
		h.ref("app:1@" + digest),
		h.ref("app:other@" + digest),
		pulled.ID,
		hex,
		hex[:12],
		"sha256:" + hex[:12],
		hex[:minPrefix],
	} {
		got, err := s.Get(t.Context(), ref)
		if err != nil || got.ID != pulled.ID {
			t.Errorf("Get(%s) = %s, %v", ref, got.ID, err)
		}
	}
	for _, ref := range []string{h.ref("app:2"), h.ref("app"), h.ref("other:1"), "0000", hex[:minPrefix-1], "sha256:" + strings.Repeat("0", 64)} {
		if got, err := s.Get(t.Context(), ref); !errdefs.IsNotFound(err) {
			t.Errorf("Get(%s) = %s, %v; want not found", ref, got.ID, err)
		}
	}
	for _, ref := range []string{"", "UPPER", "a b", strings.Repeat("a", maxRef+1)} {
		if _, err := s.Get(t.Context(), ref); !errdefs.IsInvalidArgument(err) {
			t.Errorf("Get(%.20q) = %v; want invalid argument", ref, err)
		}
	}
}

func TestShortNamesAreOfDockerHub(t *testing.T) {
	for short, full := range map[string]string{
		"busybox":                "docker.io/library/busybox:latest",
		"busybox:1":              "docker.io/library/busybox:1",
		"user/app":               "docker.io/user/app:latest",
		"index.docker.io/a/b:1":  "docker.io/a/b:1",
		"localhost/app":          "localhost/app:latest",
		"registry.example/a/b/c": "registry.example/a/b/c:latest",
	} {
		named, err := parseRef(short)
		if err != nil || named.String() != full {
			t.Errorf("parseRef(%s) = %v, %v; want %s", short, named, err, full)
		}
	}
}

func TestAmbiguousBeginningOfAnID(t *testing.T) {
	x := newIndex()
	x.put(Image{ID: "sha256:aaaabbbb" + strings.Repeat("0", 56)})
	x.put(Image{ID: "sha256:aaaacccc" + strings.Repeat("0", 56)})
	if _, err := x.find("aaaa"); !errdefs.IsInvalidArgument(err) {
		t.Errorf("error = %v; want invalid argument", err)
	}
	if image, err := x.find("aaaab"); err != nil || !strings.HasPrefix(image.ID, "sha256:aaaab") {
		t.Errorf("aaaab = %s, %v", image.ID, err)
	}
}

// A tag that looks like the beginning of an id is the tag's image.
func TestNameGoesBeforeBeginningOfAnID(t *testing.T) {
	x := newIndex()
	x.put(Image{ID: "sha256:cafe" + strings.Repeat("0", 60)})
	x.put(Image{ID: "sha256:1111" + strings.Repeat("0", 60)}, "docker.io/library/cafe:latest")
	if image, err := x.find("cafe"); err != nil || !strings.HasPrefix(image.ID, "sha256:1111") {
		t.Errorf("cafe = %s, %v", image.ID, err)
	}
}

func TestRetagLeavesTheOldImageReachable(t *testing.T) {
	h := newHub(t)
	oldDigest := h.push(t, "app:1", helloImage(t, "old"))
	s := newService(t, nil)
	old := mustPull(t, s, h.ref("app:1"))
	h.push(t, "app:1", helloImage(t, "new"))
	current := mustPull(t, s, h.ref("app:1"))
	if old.ID == current.ID {
		t.Fatal("the two images are the same")
	}
	check := func(s *Service) {
		t.Helper()
		if got, err := s.Get(t.Context(), h.ref("app:1")); err != nil || got.ID != current.ID {
			t.Errorf("tag = %s, %v; want the new image", got.ID, err)
		}
		for _, ref := range []string{old.ID, h.ref("app@" + oldDigest)} {
			got, err := s.Get(t.Context(), ref)
			if err != nil || got.ID != old.ID {
				t.Fatalf("Get(%s) = %s, %v", ref, got.ID, err)
			}
			if len(got.Tags) != 0 || len(got.Digests) != 1 {
				t.Errorf("old image has tags %v, digests %v", got.Tags, got.Digests)
			}
		}
	}
	check(s)
	if err := s.content.Collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	f, _, err := s.OpenEntry(t.Context(), old)
	if err != nil {
		t.Fatalf("files of the old image: %v", err)
	}
	f.Close()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	check(reopen(t, s))
}

// The names and all else that is known of an image survive a restart unchanged.
func TestRestartKeepsImages(t *testing.T) {
	h := newHub(t)
	h.push(t, "app:1", filesImage(t, func(c *v1.ConfigFile) {
		c.Config.User, c.Config.StopSignal, c.Config.WorkingDir = "1000:1000", "SIGINT", "/srv"
		c.Config.Env, c.Config.Cmd = []string{"A=b"}, []string{"x"}
		c.Config.Labels, c.Config.Volumes = map[string]string{"k": "v"}, map[string]struct{}{"/data": {}}
	}, gzipLayer(t, file{name: "hello.wasm", body: string(wasm)})))
	h.push(t, "mod:1", moduleArtifact(t, wasm))
	s := newService(t, nil)
	mustPull(t, s, h.ref("app:1"))
	mustPull(t, s, h.ref("mod:1"))
	before, err := s.List(t.Context())
	if err != nil || len(before) != 2 {
		t.Fatalf("images = %v, %v", before, err)
	}
	usage, err := s.Filesystem(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s = reopen(t, s)
	after, err := s.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !equalImages(before, after) {
		t.Errorf("before the restart:\n%+v\nafter:\n%+v", before, after)
	}
	if got, err := s.Filesystem(t.Context()); err != nil || got != usage {
		t.Errorf("usage = %+v, %v; want %+v", got, err, usage)
	}
}

func TestImagesOfTheSameConfigurationAreOne(t *testing.T) {
	h := newHub(t)
	unpacked := archive(t, file{name: "hello.wasm", body: string(wasm)})
	h.push(t, "gz:1", filesImage(t, nil, rawLayer(t, compressGzip(t, unpacked), unpacked, types.OCILayer)))
	h.push(t, "zst:1", filesImage(t, nil, rawLayer(t, compressZstd(t, unpacked), unpacked, types.OCILayerZStd)))
	s := newService(t, nil)
	a, b := mustPull(t, s, h.ref("gz:1")), mustPull(t, s, h.ref("zst:1"))
	if a.ID != b.ID || a.Manifest == b.Manifest {
		t.Fatalf("ids %s, %s; manifests %s, %s", a.ID, b.ID, a.Manifest, b.Manifest)
	}
	if want := []string{h.ref("gz:1"), h.ref("zst:1")}; !slices.Equal(b.Tags, want) || len(b.Digests) != 2 {
		t.Errorf("tags %v, digests %v", b.Tags, b.Digests)
	}
	if err := s.Remove(t.Context(), h.ref("gz:1")); err != nil {
		t.Fatal(err)
	}
	wantNothing(t, s)
}

// Two modules whose configurations are equal, because they name no layer, are two images all the same.
func TestArtifactsOfOneEmptyConfigurationAreTwo(t *testing.T) {
	h := newHub(t)
	other := append(slices.Clone(wasm), 0, 0)
	h.push(t, "a:1", newArtifact(t, mediaTypeWasmConfig, []byte("{}"), blob{mediaType: mediaTypeWasm, body: wasm}))
	h.push(t, "b:1", newArtifact(t, mediaTypeWasmConfig, []byte("{}"), blob{mediaType: mediaTypeWasm, body: other}))
	h.push(t, "c:1", moduleArtifact(t, wasm))
	s := newService(t, nil)
	a, b, c := mustPull(t, s, h.ref("a:1")), mustPull(t, s, h.ref("b:1")), mustPull(t, s, h.ref("c:1"))
	if a.ID == b.ID || a.ID != a.Manifest.String() {
		t.Errorf("ids %s, %s", a.ID, b.ID)
	}
	if c.ID == c.Manifest.String() {
		t.Errorf("id %s is the manifest's although the configuration names the module", c.ID)
	}
}

func TestRunsAs(t *testing.T) {
	for user, want := range map[string]struct {
		uid  int64
		name string
	}{
		"":           {uid: -1},
		"1000":       {uid: 1000},
		"0":          {uid: 0},
		"1000:2000":  {uid: 1000},
		"nobody":     {uid: -1, name: "nobody"},
		"nobody:adm": {uid: -1, name: "nobody"},
		"1000:adm":   {uid: 1000},
	} {
		uid, name := Image{User: user}.RunsAs()
		if name != want.name || (uid == nil) != (want.uid < 0) || uid != nil && *uid != want.uid {
			t.Errorf("RunsAs(%q) = %v, %q", user, uid, name)
		}
	}
}

func FuzzParseRef(f *testing.F) {
	for _, seed := range []string{"busybox", "a/b:c", "r.example:5000/x@sha256:" + strings.Repeat("a", 64), "sha256:ab", "", "@", "a@b:c", "[::1]:5/a", "A"} {
		f.Add(seed)
	}
	x := newIndex()
	f.Fuzz(func(t *testing.T, ref string) {
		if named, err := parseRef(ref); err == nil {
			again, err := parseRef(named.String())
			if err != nil || again.String() != named.String() {
				t.Errorf("%q: %s is read as %v, %v", ref, named, again, err)
			}
		} else if !errdefs.IsInvalidArgument(err) {
			t.Errorf("%q: %v", ref, err)
		}
		if _, err := x.find(ref); err == nil {
			t.Errorf("%q found in an empty index", ref)
		}
	})
}
