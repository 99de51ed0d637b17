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
