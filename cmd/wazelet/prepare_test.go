// SPDX-License-Identifier: Apache-2.0

package main

import (
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/wazelet/wazelet/cmd/wazelet/images"
	"github.com/wazelet/wazelet/imageservice"
	"github.com/wazelet/wazelet/integration/guests/tiny"
	"github.com/wazelet/wazelet/runtime"
)

// TestAPullCompilesWhatTheImageMeans pulls images as the daemon does, and looks
// into the module cache after each.
func TestAPullCompilesWhatTheImageMeans(t *testing.T) {
	for _, test := range []struct {
		name    string
		image   v1.Image
		entries int // of the cache; a refusal is remembered in one too
	}{
		{"files", ofFiles(t, guest(t), v1.Config{Entrypoint: []string{"/app"}}), 1},
		{"artifact", ofModule(t, guest(t)), 1},
		{"program named by arguments", ofFiles(t, guest(t), v1.Config{Cmd: []string{"app"}}), 1},
		{"component", ofModule(t, tiny.Component()), 1},
		{"native program", ofFiles(t, []byte("\x7fELF and so on"), v1.Config{Entrypoint: []string{"/app"}}), 0},
		{"no program", ofFiles(t, guest(t), v1.Config{}), 0},
		{"absent program", ofFiles(t, guest(t), v1.Config{Entrypoint: []string{"/other"}}), 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			ref, _ := pushed(t, test.image)
			dir := t.TempDir()
			modules, err := runtime.NewModules(runtime.ModulesOptions{Dir: filepath.Join(dir, "modules"), WorkerPath: workerProgram})
			if err != nil {
				t.Fatal(err)
			}
			service, err := imageservice.New(t.Context(), imageservice.Options{Root: dir, Prepare: images.Compile(modules)})
			if err != nil {
				t.Fatal(err)
			}
			defer service.Close()
			if _, err := service.Pull(t.Context(), ref, nil); err != nil {
				t.Error(err)
			}
			if got := strings.Count(listing(t, filepath.Join(dir, "modules")), "\n"); got != test.entries {
				t.Errorf("the cache has %d entries, want %d", got, test.entries)
			}
		})
	}
}

// TestAnUpgradeCompilesAnew finds the cache empty, as after another engine's
// entries were removed, and fills it from the images; what no image runs is left
// alone.
func TestAnUpgradeCompilesAnew(t *testing.T) {
	files, _ := pushed(t, ofFiles(t, tiny.Hello("files"), v1.Config{Entrypoint: []string{"/app"}}))
	artifact, _ := pushed(t, ofModule(t, tiny.Hello("artifact")))
	native, _ := pushed(t, ofFiles(t, []byte("\x7fELF and so on"), v1.Config{Entrypoint: []string{"/app"}}))
	dir := t.TempDir()
	open := func(cache string) *runtime.Modules {
		modules, err := runtime.NewModules(runtime.ModulesOptions{Dir: filepath.Join(dir, cache), WorkerPath: workerProgram})
		if err != nil {
			t.Fatal(err)
		}
		return modules
	}
	before := open("before")
	service, err := imageservice.New(t.Context(), imageservice.Options{Root: dir, Prepare: images.Compile(before), Removed: images.Forget(before)})
	if err != nil {
		t.Fatal(err)
	}
	defer service.Close()
	for _, ref := range []string{files, artifact, native} {
		if _, err := service.Pull(t.Context(), ref, nil); err != nil {
			t.Fatal(err)
		}
	}
	after := open("after")
	for range 2 {
		images.Refresh(t.Context(), after, service)
		if n := after.Compiles(); n != 2 {
			t.Errorf("%d compilers ran, want 2", n)
		}
	}
	for _, ref := range []string{files, artifact} {
		if err := service.Remove(t.Context(), ref); err != nil {
			t.Error(err)
		}
	}
	if left := listing(t, filepath.Join(dir, "before")); left != "" {
		t.Errorf("compiled modules without an image: %s", left)
	}
}
