// SPDX-License-Identifier: Apache-2.0

package imageservice

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
)

// childEnv names what the test binary does as a process of its own instead of running tests.
const childEnv = "IMAGESERVICE_TEST_ACT"

var childActs = map[string]func(args []string) int{
	"pull":     childPull,
	"rootless": childRootless,
	"full":     childFull,
}

// childPull pulls args[1] into the store args[0].
func childPull(args []string) int {
	s, err := New(context.Background(), Options{Root: args[0]})
	if err == nil {
		_, err = s.Pull(context.Background(), args[1], nil)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// child returns a command that runs the test binary as act.
func child(t *testing.T, act string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), childEnv+"="+act)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	return cmd
}

// A process killed in a pull, with one layer unpacked and another on its way, leaves nothing that the next one keeps.
func TestKilledPullLeavesNothing(t *testing.T) {
	h := newHub(t)
	h.push(t, "app:1", filesImage(t, nil,
		gzipLayer(t, file{name: "hello.wasm", body: string(wasm)}), gzipLayer(t, file{name: "b", body: noise(1 << 20)})))
	half := make(chan struct{})
	h.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, "/blobs/") {
			return false
		}
		body := h.stored(t, r)
		if len(body) < 1<<19 {
			return false
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		_, _ = w.Write(body[:len(body)/2])
		_ = http.NewResponseController(w).Flush()
		close(half)
		<-r.Context().Done()
		return true
	})
	root := t.TempDir()
	cmd := child(t, "pull", root, h.ref("app:1"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-half
	for layerDirs(t, root) == 0 || ingests(t, root) == 0 { // nothing announces that the first layer is written
		goruntime.Gosched()
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the child was not killed")
	}
	if layerDirs(t, root) == 0 || len(blobs(t, root)) == 0 {
		t.Fatal("nothing half made to clean up")
	}
	wantNothing(t, openService(t, Options{Root: root}))
}

// Things no metadata knows of, as a kill between two steps leaves them, are removed at the next start.
func TestOrphansAreRemovedAtStart(t *testing.T) {
	s := newService(t, nil)
	root := s.opts.Root
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	blob := filepath.Join(root, "content", "blobs", "sha256", strings.Repeat("a", 64))
	dirs := []string{filepath.Dir(blob), filepath.Join(root, "content", "ingest", "x"), filepath.Join(root, "snapshots", "overlay", "snapshots", "new-1", "fs")}
	for _, dir := range dirs {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(blob, []byte("x"), 0o444); err != nil {
		t.Fatal(err)
	}
	wantNothing(t, reopen(t, s))
}

// An image whose blobs or layers are damaged is dropped at the start, so that it is pulled again; others stay.
func TestDamagedImageIsDropped(t *testing.T) {
	h := newHub(t)
	h.push(t, "sound:1", helloImage(t, "sound"))
	h.push(t, "mod:1", moduleArtifact(t, wasm))
	h.push(t, "app:1", helloImage(t, "damaged"))
	for name, damage := range map[string]func(t *testing.T, root string, image, mod Image){
		"manifest gone": func(t *testing.T, root string, image, _ Image) {
			remove(t, filepath.Join(root, "content", "blobs", "sha256", image.Manifest.Encoded()))
		},
		"configuration gone": func(t *testing.T, root string, image, _ Image) {
			remove(t, filepath.Join(root, "content", "blobs", "sha256", strings.TrimPrefix(image.ID, "sha256:")))
		},
		"layer gone": func(t *testing.T, root string, _, _ Image) {
			remove(t, filepath.Join(root, "snapshots", "overlay", "snapshots", "3"))
		},
		"manifest cut": func(t *testing.T, root string, image, _ Image) {
			path := filepath.Join(root, "content", "blobs", "sha256", image.Manifest.Encoded())
			if err := os.Truncate(path, 10); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t, nil)
			sound, mod, image := mustPull(t, s, h.ref("sound:1")), mustPull(t, s, h.ref("mod:1")), mustPull(t, s, h.ref("app:1"))
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			damage(t, s.opts.Root, image, mod)
			s = reopen(t, s)
			if _, err := s.Get(t.Context(), image.ID); !errdefs.IsNotFound(err) {
				t.Errorf("damaged image: %v", err)
			}
			for _, kept := range []Image{sound, mod} {
				if _, err := s.Get(t.Context(), kept.ID); err != nil {
					t.Errorf("sound image: %v", err)
				}
			}
			again := mustPull(t, s, h.ref("app:1"))
			f, _, err := s.OpenEntry(t.Context(), again)
			if err != nil {
				t.Fatal(err)
			}
			f.Close()
		})
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}

// Two processes never write one store.
func TestStoreServesOneProcess(t *testing.T) {
	s := newService(t, nil)
	_, err := New(t.Context(), Options{Root: s.opts.Root})
	if !errdefs.IsUnavailable(err) || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("error = %v", err)
	}
}

// Images unpacked by one snapshotter are usable after a change to the other.
func TestChangeOfSnapshotter(t *testing.T) {
	h := newHub(t)
	h.push(t, "app:1", filesImage(t, nil,
		gzipLayer(t, file{name: "hello.wasm", body: string(wasm)}), gzipLayer(t, file{name: "b", body: "b"})))
	s := newService(t, func(o *Options) { o.Snapshotter = "native" })
	image := mustPull(t, s, h.ref("app:1"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	opts := s.opts
	opts.Snapshotter = "overlay"
	s = openService(t, opts)
	if mounts, err := s.PrepareRoot(t.Context(), "c1", image.ID); err != nil || mounts[0].Type != "overlay" {
		t.Errorf("mounts = %v, %v", mounts, err)
	}
	f, _, err := s.OpenEntry(t.Context(), image)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if err := s.content.Collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if f, _, err = s.OpenEntry(t.Context(), image); err != nil {
		t.Fatalf("after a collection: %v", err)
	}
	f.Close()
}
