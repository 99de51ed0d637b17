// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/wazelet/wazelet/integration/guests/tiny"
	"github.com/wazelet/wazelet/integration/lab"
	"github.com/wazelet/wazelet/integration/lab/image"
	"github.com/wazelet/wazelet/integration/lab/parts"
)

// modules are the Wasm artifacts of the suite beside the guests, named
// registry.example/tiny/NAME:1.0.
var modules = map[string][]byte{
	"pause":     tiny.Pause("pausing\n"),
	"spin":      tiny.Spin(),
	"hog":       tiny.Hog(),
	"trap":      tiny.Trap(),
	"divide":    tiny.DivideByZero(),
	"bounds":    tiny.OutOfBounds(),
	"recurse":   tiny.Recurse(),
	"stdio":     tiny.Print("to stdout\n", "to stderr\n", 0),
	"exit":      tiny.Print("", "", 7),
	"import":    tiny.MissingImport(),
	"component": tiny.Component(),
	"library":   tiny.NoStart(),
	"truncated": tiny.Truncated(),
	"text":      []byte("#!/bin/sh\necho not a module\n"),
}

// fileImages are the images of files of the suite, named registry.example/files/NAME:1.0.
var fileImages = map[string]struct {
	config image.Config
	files  []image.File
}{
	// The program is found through PATH, in the image's working directory.
	"path": {
		image.Config{Entrypoint: []string{"tool.wasm"}, Cmd: []string{"pwd"}, Env: []string{"PATH=/opt/tools", "FROM=image"}, WorkingDir: "/srv"},
		[]image.File{{Path: "/opt/"}, {Path: "/opt/tools/"}, {Path: "/opt/tools/tool.wasm", Link: "/lib/probe.wasm"}, {Path: "/srv/"}, {Path: "/lib/"}},
	},
	"user":      {image.Config{Entrypoint: []string{"/main.wasm"}, User: "app"}, nil},
	"component": {image.Config{Entrypoint: []string{"/main.wasm"}}, []image.File{{Path: "/main.wasm", Content: tiny.Component()}}},
	"import":    {image.Config{Entrypoint: []string{"/main.wasm"}}, []image.File{{Path: "/main.wasm", Content: tiny.MissingImport()}}},
	"native":    {image.Config{Entrypoint: []string{"/main"}}, []image.File{{Path: "/main", Content: []byte("\x7fELF\x02\x01\x01"), Mode: 0o755}}},
	"nothing":   {image.Config{}, []image.File{{Path: "/readme", Content: []byte("no program\n")}}},
	"pause":     {image.Config{Entrypoint: []string{"/main.wasm"}}, []image.File{{Path: "/main.wasm", Content: tiny.Pause("pausing\n")}}},
}

// pushImages stores all images of the suite but the guests of package guests.
func pushImages(ctx context.Context, repo string) error {
	for name, module := range modules {
		if _, err := cluster.PushModule(ctx, "registry.example/tiny/"+name+":1.0", module); err != nil {
			return err
		}
	}
	probe, err := lab.Guest("probe")
	if err != nil {
		return err
	}
	for name, i := range fileImages {
		files := append(lab.BaseFiles(), i.files...)
		switch name {
		case "path":
			files = append(files, image.File{Path: "/lib/probe.wasm", Content: probe})
		case "user":
			files = append(files, image.File{Path: "/main.wasm", Content: probe})
		}
		if _, err := cluster.PushFiles(ctx, "registry.example/files/"+name+":1.0", i.config, files...); err != nil {
			return err
		}
	}
	return errors.Join(pushWatcher(ctx, repo), pushOdd(ctx))
}

// pushWatcher builds and stores the guest of testdata.
func pushWatcher(ctx context.Context, repo string) error {
	out := filepath.Join(parts.Cache(repo), "guests", "watcher.wasm")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", out, "./integration/testdata/guests/watcher")
	cmd.Dir = repo
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=")
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("guest watcher: %w\n%s", err, output)
	}
	module, err := os.ReadFile(out)
	if err != nil {
		return err
	}
	_, err = cluster.PushModule(ctx, "registry.example/watcher:1.0", module)
	return err
}

// pushOdd stores the artifacts that no runtime can take.
func pushOdd(ctx context.Context) error {
	two, err := image.Module(tiny.Hello("one\n"), tiny.Hello("two\n"))
	if err != nil {
		return err
	}
	other, err := image.Raw(
		image.Blob{MediaType: "application/vnd.example.recipe.v1+json", Content: []byte(`{"serves": 4}`)},
		image.Blob{MediaType: "text/plain", Content: []byte("stir\n")},
	)
	if err != nil {
		return err
	}
	_, errTwo := cluster.Push(ctx, "registry.example/odd/two-layers:1.0", two)
	_, errOther := cluster.Push(ctx, "registry.example/odd/recipe:1.0", other)
	return errors.Join(errTwo, errOther)
}
