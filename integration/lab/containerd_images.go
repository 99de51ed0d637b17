// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"errors"
	"os"
	goruntime "runtime"

	"github.com/wazelet/wazelet/integration/lab/image"
)

// ImportNative stores in containerd an image with one static program, as the file
// /NAME that is its entrypoint, and returns when containerd's CRI knows it. ref is
// NAME's full reference, such as "registry.example/web:1".
func (c *Cluster) ImportNative(ctx context.Context, ref, name string, program []byte) error {
	config := image.Config{Platform: "linux/" + goruntime.GOARCH, Entrypoint: []string{"/" + name}, Env: []string{"PATH=/"}}
	files := append(NativeFiles(), image.File{Path: "/" + name, Content: program, Mode: 0o755})
	return c.ImportFiles(ctx, ref, config, files...)
}

// NativeFiles are the files that images of native programs have beside them:
// BaseFiles, and what a runtime mounts.
func NativeFiles() []image.File {
	return append(BaseFiles(), image.File{Path: "/proc/"}, image.File{Path: "/sys/"}, image.File{Path: "/dev/"})
}

// ImportFiles stores an image of files in containerd, without a registry, and
// returns when containerd's CRI knows it.
func (c *Cluster) ImportFiles(ctx context.Context, ref string, config image.Config, files ...image.File) error {
	img, err := image.Files(config, files...)
	if err != nil {
		return err
	}
	archive, err := os.CreateTemp(c.dir, "import-*.tar")
	if err != nil {
		return err
	}
	names := map[string]string{"io.containerd.image.name": ref, "org.opencontainers.image.ref.name": ref}
	err = errors.Join(image.Export(archive, names, img), archive.Close())
	if err == nil {
		_, err = c.Ctr(ctx, "images", "import", "--local", archive.Name())
	}
	if err = errors.Join(err, os.Remove(archive.Name())); err != nil {
		return err
	}
	// The CRI learns of it by an event.
	return c.until(ctx, "containerd's CRI to know "+ref, func(ctx context.Context) error {
		_, err := c.ContainerdCrictl(ctx, "inspecti", ref)
		return err
	}, containerdName)
}

func (c *Cluster) importPause(ctx context.Context) error {
	program, err := os.ReadFile(c.part("pause"))
	if err != nil {
		return err
	}
	return c.ImportNative(ctx, PauseImage, "pause", program)
}
