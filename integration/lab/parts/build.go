// SPDX-License-Identifier: Apache-2.0

package parts

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Builder builds parts into one folder. Two builders on one folder, in whatever
// processes, take turns.
type Builder struct {
	// Modules is the folder that holds the nested modules.
	Modules string
	// Bin is the folder the programs go to.
	Bin string
	// Log receives one line per part.
	Log io.Writer
}

// NewBuilder returns the builder for the repository's own modules and cache.
func NewBuilder(repo string, log io.Writer) *Builder {
	return &Builder{
		Modules: filepath.Join(repo, "integration", "lab", "modules"),
		Bin:     filepath.Join(Cache(repo), "bin"),
		Log:     log,
	}
}

// Build builds those of ps that are missing or out of date. It may be
// interrupted at any time: a program appears under its name only when it is
// whole, and what the Go tool cached is used by the next run.
func (b *Builder) Build(ctx context.Context, ps ...Part) error {
	if err := os.MkdirAll(b.Bin, 0o755); err != nil {
		return err
	}
	unlock, err := lock(filepath.Join(b.Bin, ".lock"))
	if err != nil {
		return err
	}
	defer unlock()
	start, built := time.Now(), 0
	for i, p := range ps {
		stamp, err := b.stamp(p)
		if err != nil {
			return err
		}
		if b.fresh(p, stamp) {
			continue
		}
		line := startLine(b.Log, fmt.Sprintf("[%2d/%d] build %s", i+1, len(ps), p.Name))
		err = b.build(ctx, p, stamp)
		line.end(err)
		if err != nil {
			return err
		}
		built++
	}
	fmt.Fprintf(b.Log, "parts: %d built, %d up to date, %s\n", built, len(ps)-built, seconds(time.Since(start)))
	return nil
}

// Path returns where the named program is after Build.
func (b *Builder) Path(name string) string { return filepath.Join(b.Bin, name) }

func (b *Builder) stampFile(p Part) string {
	return filepath.Join(b.Bin, ".stamp", strings.ReplaceAll(p.Name, "/", "_"))
}

// stamp hashes everything that decides the bytes of the program.
func (b *Builder) stamp(p Part) (string, error) {
	h := sha256.New()
	fmt.Fprintln(h, goruntime.Version(), goruntime.GOARCH, args(p, "-"), environment(p))
	files := []string{p.Source}
	if p.Source == "" {
		files = []string{"go.mod", "go.sum"}
		own, err := filepath.Glob(filepath.Join(b.dir(p), "*.go")) // a program of the nested module's own
		if err != nil {
			return "", err
		}
		for _, path := range own {
			files = append(files, filepath.Base(path))
		}
	}
	for _, name := range files {
		content, err := os.ReadFile(filepath.Join(b.dir(p), name))
		if err != nil {
			return "", fmt.Errorf("part %s: %w", p.Name, err)
		}
		h.Write(content)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func (b *Builder) fresh(p Part, stamp string) bool {
	if _, err := os.Stat(b.Path(p.Name)); err != nil {
		return false
	}
	old, err := os.ReadFile(b.stampFile(p))
	return err == nil && string(old) == stamp
}

// environment makes the programs static and the same wherever they are built.
func environment(p Part) []string {
	if p.Cgo {
		return []string{"CGO_ENABLED=1", "CGO_LDFLAGS=-static", "GOFLAGS=-buildvcs=false -trimpath -mod=readonly", "GOWORK=off", "GOOS=linux"}
	}
	return []string{"CGO_ENABLED=0", "GOFLAGS=-buildvcs=false -trimpath -mod=readonly", "GOWORK=off", "GOOS=linux"}
}

// dir is where the part's compiler works.
func (b *Builder) dir(p Part) string {
	if p.Source != "" {
		return filepath.Dir(b.Modules)
	}
	return filepath.Join(b.Modules, p.Module)
}

func compiler(p Part) string {
	if p.Source != "" {
		return "gcc"
	}
	return "go"
}

func args(p Part, out string) []string {
	if p.Source != "" {
		return []string{"-O2", "-Wall", "-Wextra", "-Werror", "-static", "-s", "-o", out, p.Source}
	}
	verb := []string{"build"}
	if p.Test {
		verb = []string{"test", "-c"}
	}
	if p.Tags != "" {
		verb = append(verb, "-tags", p.Tags)
	}
	// Two compilers at once: a third would need more memory than a small machine has.
	return append(verb, "-p", "2", "-ldflags", p.LDFlags, "-o", out, p.Package)
}

func (b *Builder) build(ctx context.Context, p Part, stamp string) error {
	final := b.Path(p.Name)
	for _, dir := range []string{filepath.Dir(final), filepath.Dir(b.stampFile(p))} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	partial := final + ".partial"
	// nice: the machine stays usable during the longest of these builds.
	cmd := exec.CommandContext(ctx, "nice", append([]string{"-n", "10", compiler(p)}, args(p, partial)...)...)
	cmd.Dir = b.dir(p)
	cmd.Env = append(os.Environ(), environment(p)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); err != nil {
		return errors.Join(fmt.Errorf("build %s: %w\n%s", p.Name, err, tail(output.Bytes(), 4096)), remove(partial))
	}
	if err := os.Rename(partial, final); err != nil {
		return err
	}
	return os.WriteFile(b.stampFile(p), []byte(stamp), 0o644)
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func tail(b []byte, n int) []byte { return b[max(0, len(b)-n):] }

// lock takes the file's exclusive lock and waits for it.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { f.Close() }, nil
}
