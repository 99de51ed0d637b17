// SPDX-License-Identifier: Apache-2.0

package imageservice

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wazelet/wazelet/imageservice/content"
)

// checked checks a store and returns what was found, one line each.
func checked(t *testing.T, s *Service, repair bool) (Report, string) {
	t.Helper()
	report, err := s.Check(t.Context(), repair)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, f := range report.Findings {
		state := "damaged"
		switch {
		case f.Repaired:
			state = "repaired"
		case f.Remains:
			state = "left over"
		}
		lines = append(lines, state+": "+f.Object+": "+f.Cause)
	}
	return report, strings.Join(lines, "\n")
}

// rot changes a byte of a file and leaves its length and date.
func rot(t *testing.T, path string) {
	t.Helper()
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)-1] ^= 1
	if err := errors.Join(os.Chmod(path, 0o600), os.WriteFile(path, raw, 0o600), os.Chtimes(path, st.ModTime(), st.ModTime())); err != nil {
		t.Fatal(err)
	}
}

// A check finds what has changed on disk behind the store's back, and repairs what can be.
func TestCheckFindsDamage(t *testing.T) {
	h := newHub(t)
	h.push(t, "app:1", filesImage(t, nil, gzipLayer(t, file{name: "bin/app.wasm", body: string(wasm)}, file{name: "data", body: "data"})))
	h.push(t, "mod:1", moduleArtifact(t, wasm))
	layerFile := func(t *testing.T, s *Service, name string) string {
		found, err := filepath.Glob(filepath.Join(s.opts.Root, "snapshots/*/snapshots/*/fs", name))
		if err != nil || len(found) != 1 {
			t.Fatalf("%v, %v", found, err)
		}
		return found[0]
	}
	for name, c := range map[string]struct {
		harm func(t *testing.T, s *Service)
		want string // of the finding
		ref  string // whose image it is
	}{
		"blob": {func(t *testing.T, s *Service) {
			image, err := s.Get(t.Context(), h.ref("mod:1"))
			if err != nil {
				t.Fatal(err)
			}
			rot(t, filepath.Join(s.opts.Root, "content/blobs/sha256", image.Module.Digest.Encoded()))
		}, "its bytes on disk have another digest", "mod:1"},
		"absent blob": {func(t *testing.T, s *Service) {
			image, err := s.Get(t.Context(), h.ref("mod:1"))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Remove(filepath.Join(s.opts.Root, "content/blobs/sha256", image.Manifest.Encoded())); err != nil {
				t.Fatal(err)
			}
		}, "not found", "mod:1"},
		"file of a layer": {func(t *testing.T, s *Service) { rot(t, layerFile(t, s, "bin/app.wasm")) }, "/bin/app.wasm has other bytes than it had", "app:1"},
		"short file": {func(t *testing.T, s *Service) {
			if err := os.Truncate(layerFile(t, s, "data"), 1); err != nil {
				t.Fatal(err)
			}
		}, "/data has 1 bytes, and had 4", "app:1"},
		"absent file": {func(t *testing.T, s *Service) {
			if err := os.Remove(layerFile(t, s, "data")); err != nil {
				t.Fatal(err)
			}
		}, "open /data: no such file or directory", "app:1"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t, nil)
			mustPull(t, s, h.ref("app:1"))
			mustPull(t, s, h.ref("mod:1"))
			if report, said := checked(t, s, true); said != "" || report.Images != 2 || !report.Wasm[digest.FromBytes(wasm)] {
				t.Fatalf("a sound store: %+v", report)
			}
			c.harm(t, s)
			for _, repair := range []bool{false, true} {
				report, said := checked(t, s, repair)
				if len(report.Findings) != 1 || !strings.Contains(said, c.want) || !strings.Contains(said, h.ref(c.ref)) || report.Damaged() == repair {
					t.Errorf("repair %t: %s", repair, said)
				}
			}
			if _, said := checked(t, s, false); said != "" {
				t.Errorf("after the repair: %s", said)
			}
			mustPull(t, s, h.ref(c.ref))
			if report, said := checked(t, s, false); said != "" || report.Images != 2 {
				t.Errorf("pulled again: %s", said)
			}
		})
	}
}

// Layers that a container uses stay, and it is said so.
func TestCheckOfLayersInUse(t *testing.T) {
	h := newHub(t)
	h.push(t, "app:1", helloImage(t, "hi"))
	s := newService(t, nil)
	image := mustPull(t, s, h.ref("app:1"))
	if _, err := s.PrepareRoot(t.Context(), "c1", image.ID); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(s.opts.Root, "snapshots/*/snapshots/*/fs/*.wasm"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
	}
	rot(t, files[0])
	if report, said := checked(t, s, true); !report.Damaged() || !strings.Contains(said, "containers use these layers") {
		t.Errorf("in use: %s", said)
	}
	if err := s.RemoveRoot(t.Context(), "c1"); err != nil {
		t.Fatal(err)
	}
	s.garbage.drain(t)
	mustPull(t, s, h.ref("app:1"))
	if _, said := checked(t, s, false); said != "" {
		t.Errorf("pulled again: %s", said)
	}
}

// A container's root that lacks a directory cannot be mended.
func TestCheckOfRoots(t *testing.T) {
	h := newHub(t)
	h.push(t, "app:1", helloImage(t, "hi"))
	s := newService(t, nil)
	image := mustPull(t, s, h.ref("app:1"))
	if _, err := s.PrepareRoot(t.Context(), "c1", image.ID); err != nil {
		t.Fatal(err)
	}
	dirs, err := filepath.Glob(filepath.Join(s.trees.Dir(), "snapshots/*/fs"))
	if err != nil || len(dirs) != 2 {
		t.Fatalf("%v, %v", dirs, err)
	}
	for _, dir := range dirs {
		if entries(t, dir) == 0 { // the container's, which has written nothing
			err = os.RemoveAll(dir)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	if report, said := checked(t, s, true); !report.Damaged() || !strings.HasPrefix(said, "damaged: container c1: root of container c1: ") {
		t.Errorf("%s", said)
	}
}

// What belongs to nothing is found and removed; a pull under way is none of it.
func TestCheckFindsRemains(t *testing.T) {
	h := newHub(t)
	h.push(t, "app:1", helloImage(t, "hi"))
	h.push(t, "mod:1", moduleArtifact(t, wasm))
	s := newService(t, nil)
	image := mustPull(t, s, h.ref("mod:1"))
	g := newGate(t, h)
	pulled := make(chan error, 1)
	go func() {
		_, err := s.Pull(t.Context(), h.ref("app:1"), nil)
		pulled <- err
	}()
	<-g.reached

	orphan := digest.FromString("orphan")
	if err := os.WriteFile(filepath.Join(s.opts.Root, "content/blobs/sha256", orphan.Encoded()), []byte("orphan"), 0o600); err != nil {
		t.Fatal(err)
	}
	target := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: image.Manifest, Size: 1}
	if err := s.content.SetNames(t.Context(), content.Name{Name: "nobody's", Target: target, Labels: map[string]string{labelID: orphan.String()}}); err != nil {
		t.Fatal(err)
	}
	want := []string{"name nobody's: no image has it", "blob " + orphan.String() + ": the store has no record of it"}
	for _, c := range []struct {
		repair bool
		state  string
	}{{false, "left over: "}, {true, "repaired: "}} {
		report, said := checked(t, s, c.repair)
		if report.Damaged() || said != c.state+strings.Join(want, "\n"+c.state) {
			t.Errorf("%s", said)
		}
	}
	if _, said := checked(t, s, false); said != "" {
		t.Errorf("after the repair: %s", said)
	}
	close(g.open)
	if err := <-pulled; err != nil {
		t.Errorf("the pull that went on meanwhile: %v", err)
	}
	if report, said := checked(t, s, false); said != "" || report.Images != 2 {
		t.Errorf("in the end: %+v", report)
	}
}

// What the opening of the store has dropped is told by the first check.
func TestCheckTellsOfTheOpening(t *testing.T) {
	h := newHub(t)
	h.push(t, "mod:1", moduleArtifact(t, wasm))
	s := newService(t, nil)
	image := mustPull(t, s, h.ref("mod:1"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(s.opts.Root, "content/blobs/sha256", image.Module.Digest.Encoded())); err != nil {
		t.Fatal(err)
	}
	again := reopen(t, s)
	if report, said := checked(t, again, false); report.Damaged() || !strings.HasPrefix(said, "repaired: image "+image.ID+": ") || !strings.HasSuffix(said, "it was removed when the store was opened") {
		t.Errorf("%s", said)
	}
	if _, said := checked(t, again, false); said != "" {
		t.Errorf("told again: %s", said)
	}
}
