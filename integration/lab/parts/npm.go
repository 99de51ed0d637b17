// SPDX-License-Identifier: Apache-2.0

package parts

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// Module is a Wasm module that somebody publishes in an npm package.
type Module struct {
	// Name is what the module's file is called here.
	Name string
	// Package and Version name the package, File the module in it.
	Package, Version, File string
	// SHA256 is the module's, in hex.
	SHA256 string
}

// Yosys is a large program: 31 MB, of which most is code (ISC licence).
var Yosys = Module{
	Name: "yosys", Package: "@yowasp/yosys", Version: "0.55.944", File: "gen/yosys.core.wasm",
	SHA256: "88e18d7bc8e6134614d57927a37757a021b46d1ba8c0bc4c0b6f385f391f5a67",
}

// maxModule bounds a module, in bytes.
const maxModule = 256 << 20

// Fetch has the module in the repository's cache and returns its path. It is fetched with npm when it is not there.
func (b *Builder) Fetch(ctx context.Context, m Module) (path string, err error) {
	dir := filepath.Join(filepath.Dir(b.Bin), "npm")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	unlock, err := lock(filepath.Join(dir, ".lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	path = filepath.Join(dir, m.Name+".wasm")
	if content, err := os.ReadFile(path); err == nil && m.is(content) {
		return path, nil
	}
	line := startLine(b.Log, fmt.Sprintf("fetch %s@%s", m.Package, m.Version))
	err = m.fetch(ctx, dir, path)
	line.end(err)
	return path, err
}

func (m Module) is(content []byte) bool {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:]) == m.SHA256
}

// fetch packs the package into a folder of its own and takes the module out.
func (m Module) fetch(ctx context.Context, dir, path string) (err error) {
	work, err := os.MkdirTemp(dir, m.Name+".*.partial")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	cmd := exec.CommandContext(ctx, "npm", "pack", "--silent", "--ignore-scripts", "--pack-destination", work, m.Package+"@"+m.Version)
	cmd.Dir = work
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("npm pack %s@%s: %w\n%s", m.Package, m.Version, err, tail(output.Bytes(), 4096))
	}
	packed, err := filepath.Glob(filepath.Join(work, "*.tgz"))
	if err != nil || len(packed) != 1 {
		return errors.Join(err, fmt.Errorf("npm pack %s@%s: made %d archives", m.Package, m.Version, len(packed)))
	}
	content, err := m.extract(packed[0])
	if err != nil {
		return fmt.Errorf("%s@%s: %w", m.Package, m.Version, err)
	}
	partial := filepath.Join(work, "module")
	if err := os.WriteFile(partial, content, 0o644); err != nil {
		return err
	}
	return os.Rename(partial, path)
}

// extract returns the module in a package's archive.
func (m Module) extract(archive string) ([]byte, error) {
	file, err := os.Open(archive)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	z, err := gzip.NewReader(file)
	if err != nil {
		return nil, err
	}
	for r := tar.NewReader(z); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("no file %s", m.File)
		}
		if err != nil {
			return nil, err
		}
		if header.Name != "package/"+m.File {
			continue
		}
		content, err := io.ReadAll(io.LimitReader(r, maxModule))
		if err == nil && !m.is(content) {
			err = fmt.Errorf("%s has another digest than sha256:%s", m.File, m.SHA256)
		}
		return content, err
	}
}
