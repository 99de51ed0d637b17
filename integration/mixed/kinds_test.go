// SPDX-License-Identifier: Apache-2.0

package mixed_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"

	"github.com/wazelet/wazelet/integration/lab"
	"github.com/wazelet/wazelet/integration/lab/image"
	"github.com/wazelet/wazelet/integration/lab/parts"
)

// kind is a way to run the same pod.
type kind struct {
	name string
	// class is a line of the pod's spec.
	class string
	// web serves HTTP on 8080, tools has a shell and the usual commands.
	web, tools string
}

// kinds are those of the node. The programs are the same: one source for the server,
// and commands of the same names.
var kinds = []kind{
	{"wasm", "runtimeClassName: wasm", webWasm, toolbox},
	{"native", "", webNative, busybox},
	{"hybrid", "runtimeClassName: hybrid", webWasm, toolbox},
}

// fill puts the kind into a manifest: CLASS, WEB, TOOLS and NAME.
func (k kind) fill(manifest string) string {
	for word, with := range map[string]string{"CLASS": k.class, "WEB": k.web, "TOOLS": k.tools, "NAME": k.name} {
		manifest = replace(manifest, word, with)
	}
	return manifest
}

// Images of the tests.
const (
	webNative = lab.Registry + "/mixed/web-native:1"
	webWasm   = lab.Registry + "/mixed/web-wasm:1"
	busybox   = lab.Registry + "/mixed/busybox:1"
	toolbox   = lab.Registry + "/mixed/toolbox:1"
)

var nativePlatform = "linux/" + goruntime.GOARCH

func pushImages(ctx context.Context) error {
	native, err := buildWeb(ctx, "linux", goruntime.GOARCH)
	if err != nil {
		return err
	}
	wasm, err := buildWeb(ctx, "wasip1", "wasm")
	if err != nil {
		return err
	}
	config := image.Config{Platform: nativePlatform, Entrypoint: []string{"/web"}}
	_, errNative := cluster.PushFiles(ctx, webNative, config, append(lab.NativeFiles(), image.File{Path: "/web", Content: native, Mode: 0o755})...)
	_, errWasm := cluster.PushModule(ctx, webWasm, wasm)
	return errors.Join(errNative, errWasm, pushBusybox(ctx, busybox, image.Config{}), pushToolbox(ctx, toolbox, image.ToolboxConfig()))
}

// compile has the modules compiled before the time of the tests begins.
func compile(ctx context.Context) error {
	for _, ref := range []string{webWasm, toolbox} {
		if _, err := cluster.Wazelet(ctx, "image", "pull", ref); err != nil {
			return err
		}
	}
	return nil
}

// pushBusybox stores an image of Debian's busybox.
func pushBusybox(ctx context.Context, ref string, config image.Config) error {
	program, names, err := lab.Busybox(ctx, os.Stdout)
	if err != nil {
		return err
	}
	files := append(lab.NativeFiles(), image.File{Path: "/bin/"}, image.File{Path: "/bin/busybox", Content: program, Mode: 0o755})
	for _, name := range names {
		if name != "busybox" {
			files = append(files, image.File{Path: "/bin/" + name, Link: "busybox"})
		}
	}
	config.Platform, config.Env = nativePlatform, []string{"PATH=/bin"}
	if config.Cmd == nil {
		config.Cmd = []string{"sh"}
	}
	_, err = cluster.PushFiles(ctx, ref, config, files...)
	return err
}

// pushToolbox stores an image of Wazelet's toolbox.
func pushToolbox(ctx context.Context, ref string, config image.Config) error {
	files, err := image.Toolbox()
	if err != nil {
		return err
	}
	_, err = cluster.PushFiles(ctx, ref, config, files...)
	return err
}

// buildWeb builds the web guest.
func buildWeb(ctx context.Context, goos, goarch string) ([]byte, error) {
	repo, err := parts.Repo()
	if err != nil {
		return nil, err
	}
	out := filepath.Join(cluster.Dir(), "web-"+goos)
	cmd := exec.CommandContext(ctx, "go", "build", "-p", "2", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", out, "./integration/guests/web")
	cmd.Dir = repo
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOOS="+goos, "GOARCH="+goarch)
	if output, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the web guest: %w\n%s", err, output)
	}
	return os.ReadFile(out)
}
