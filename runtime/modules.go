// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/containerd/errdefs"
	"github.com/containerd/log"
	"golang.org/x/sync/semaphore"

	"github.com/wazelet/wazelet/cgroup"
	"github.com/wazelet/wazelet/observe"
	"github.com/wazelet/wazelet/runtime/engine"
	"github.com/wazelet/wazelet/runtime/worker/launch"
)

const (
	// maxModule bounds a module's bytes; the largest real ones known are
	// about 31 MB.
	maxModule = 512 << 20
	// unfinished begins the name of a folder a compiler still writes to.
	unfinished = ".new-"
)

// ModulesOptions sets up the module cache.
type ModulesOptions struct {
	// Dir holds one folder per compiled module.
	Dir string
	// WorkerPath is the wazelet-worker binary.
	WorkerPath string
	// Cgroups is where compilers get their memory limit; nil is no limit
	// (a run without root).
	Cgroups *cgroup.Tree
	// Rootless says that this process is root of a user namespace with one id
	// mapped, so that compilers have no other id to become.
	Rootless bool
	// Memory bounds one compiler in bytes, Timeout its time, Parallel how many
	// run at once. Zero values are 2 GiB, 5 minutes and 1.
	Memory   int64
	Timeout  time.Duration
	Parallel int64
	// Size is how many bytes the cache may hold before Collect removes what was
	// not used the longest; 0 is no bound.
	Size int64
}

// Modules is the cache of compiled modules: native code made by the confined
// compiler, keyed by module digest, engine version and CPU features. Only this
// type writes to it; workers get a read-only descriptor of one entry.
type Modules struct {
	options ModulesOptions
	slots   *semaphore.Weighted

	flying  sync.Mutex         // guards flights and what is in them
	flights map[string]*flight // compilers at work, by key

	compiles atomic.Int64 // compilers that were started
	digests  digests      // of modules that were asked for
	life     modulesLife

	mu       sync.Mutex        // held while entries are verified or removed
	verified map[string]string // the fingerprints of entries that were, by key
	writing  map[string]bool   // folders that compilers write to, by name
}

// Compiled is one entry of the cache. The caller closes Dir.
type Compiled struct {
	Digest string // "sha256:…" of the module's bytes
	Info   engine.Info
	Dir    *os.File
}

// NewModules opens the cache and clears what an interrupted compiler left. The
// caller closes it.
func NewModules(o ModulesOptions) (*Modules, error) {
	if o.Memory <= 0 {
		o.Memory = 2 << 30
	}
	if o.Timeout <= 0 {
		o.Timeout = 5 * time.Minute
	}
	if o.Parallel <= 0 {
		o.Parallel = 1
	}
	if err := os.MkdirAll(o.Dir, 0o711); err != nil {
		return nil, fmt.Errorf("module cache: %w", err)
	}
	left, err := filepath.Glob(filepath.Join(o.Dir, unfinished+"*"))
	if err != nil {
		return nil, fmt.Errorf("module cache: %w", err)
	}
	for _, dir := range left {
		// The compiler of a daemon that was killed may be writing still, if not for
		// long. It must not keep the next daemon from starting.
		if err := os.RemoveAll(dir); err != nil {
			log.L.WithError(err).Warn("an unfinished compile stays until the next start")
		}
	}
	m := &Modules{options: o, slots: semaphore.NewWeighted(o.Parallel), flights: map[string]*flight{}, verified: map[string]string{}, writing: map[string]bool{}}
	m.life.Context, m.life.end = context.WithCancelCause(context.Background())
	return m, nil
}

// Ensure returns the compiled form of a module, compiling it if need be.
// Concurrent calls for one module share one compiler; a caller that goes away
// leaves it running for the next, because a container's Create is asked for again.
// A module that is not one, or that the engine refuses, is a *Refusal with the
// compiler's words.
func (m *Modules) Ensure(ctx context.Context, module *os.File) (*Compiled, error) {
	return m.ensure(ctx, module, true)
}

// EnsureWhileWanted is Ensure for who may give up for good, as a pull: the
// compiler ends with the last caller that waits for it, unless one of them used
// Ensure.
func (m *Modules) EnsureWhileWanted(ctx context.Context, module *os.File) (*Compiled, error) {
	return m.ensure(ctx, module, false)
}

func (m *Modules) ensure(ctx context.Context, module *os.File, keep bool) (*Compiled, error) {
	digest, err := m.digests.of(module)
	if err != nil {
		return nil, err
	}
	key := engine.Key(digest)
	if entry, err := m.open(ctx, key, digest); err == nil || !errdefs.IsNotFound(err) {
		if err == nil {
			observe.ModuleCache(observe.CacheHit)
		} else if errdefs.IsInvalidArgument(err) {
			observe.ModuleCache(observe.CacheRefused)
		}
		return entry, err
	}
	observe.ModuleCache(observe.CacheMiss)
	// What is compiled must have the digest now, and a kept one is cheap to doubt here.
	if digest, err = digestOf(module); err != nil {
		return nil, err
	}
	key = engine.Key(digest)
	if err := m.await(ctx, key, digest, module, keep); err != nil {
		return nil, err
	}
	return m.open(ctx, key, digest)
}

// quarantine takes an entry that did not load out of use; the next Ensure
// compiles anew.
func (m *Modules) quarantine(ctx context.Context, digest string) error {
	log.G(ctx).WithField("module", digest).Warn("compiled module did not load and is rebuilt")
	return m.Forget(digest)
}

// open returns a cached entry, the refusal remembered for it, or ErrNotFound.
func (m *Modules) open(ctx context.Context, key, digest string) (*Compiled, error) {
	if err := m.admit(ctx, key, digest); err != nil {
		return nil, err
	}
	dir, err := os.Open(filepath.Join(m.options.Dir, key))
	if errors.Is(err, os.ErrNotExist) {
		return nil, notCompiled(digest)
	}
	if err != nil {
		return nil, fmt.Errorf("module cache: %w", err)
	}
	if err := readRefusal(dir.Name()); err != nil {
		dir.Close()
		return nil, err
	}
	info, err := engine.ReadInfo(dir.Name())
	if err != nil {
		dir.Close()
		return nil, fmt.Errorf("module cache: %w", err)
	}
	m.used(key)
	return &Compiled{Digest: digest, Info: info, Dir: dir}, nil
}

// compile runs the confined compiler into a folder of its own and puts that
// in place whole.
func (m *Modules) compile(ctx context.Context, key, digest string, module *os.File) (err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, m.options.Timeout,
		fmt.Errorf("module %s: the compiler took longer than %s: %w", digest, m.options.Timeout, errdefs.ErrResourceExhausted))
	defer cancel()
	if err := m.slots.Acquire(ctx, 1); err != nil {
		return context.Cause(ctx)
	}
	defer m.slots.Release(1)
	out, done, err := m.newFolder()
	if err != nil {
		return fmt.Errorf("module cache: %w", err)
	}
	defer done()
	defer func() { err = errors.Join(err, os.RemoveAll(out)) }()

	started := time.Now()
	m.compiles.Add(1)
	err = m.runCompiler(ctx, key, digest, module, out)
	observe.Compile(time.Since(started), compileResult(err))
	switch {
	case errdefs.IsInvalidArgument(err):
		refusal := newRefusal(out, err)
		if failed := refusal.remember(out); failed != nil {
			return fmt.Errorf("module cache: %w", failed)
		}
		err = refusal
	case err != nil:
		return fmt.Errorf("module %s: compile: %w", digest, err)
	}
	if failed := seal(out, digest); failed != nil {
		return fmt.Errorf("module cache: %w", failed)
	}
	if failed := os.Rename(out, filepath.Join(m.options.Dir, key)); failed != nil && !errors.Is(failed, os.ErrExist) {
		return fmt.Errorf("module cache: %w", failed)
	}
	log.G(ctx).WithFields(log.Fields{"module": digest, "duration": time.Since(started)}).Info("module compiled")
	return err
}

func compileResult(err error) observe.CompileResult {
	switch {
	case err == nil:
		return observe.Compiled
	case errdefs.IsInvalidArgument(err):
		return observe.CompileRefused
	default:
		return observe.CompileFailed
	}
}

// runCompiler gives the compiler its memory limit and waits for it.
func (m *Modules) runCompiler(ctx context.Context, key, digest string, module *os.File, out string) error {
	o := launch.CompilerOptions{WorkerPath: m.options.WorkerPath, Module: module, Digest: digest, OutDir: out, Memory: m.options.Memory, Rootless: m.options.Rootless}
	if m.options.Cgroups != nil {
		group, err := m.options.Cgroups.Create(m.options.Cgroups.PodParent("compiler"), key[:32],
			cgroup.Resources{MemoryLimit: m.options.Memory, MemorySwapLimit: m.options.Memory})
		if err != nil {
			return fmt.Errorf("compiler: %w", err)
		}
		defer func() {
			if err := group.Remove(context.WithoutCancel(ctx)); err != nil {
				log.G(ctx).WithError(err).Warn("compiler's cgroup stays")
			}
		}()
		o.Cgroup = group
	}
	err := launch.Compiler(ctx, o)
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// ModuleDigest returns the digest under which a module is cached, "sha256:…".
func ModuleDigest(module *os.File) (string, error) { return digestOf(module) }

// digestOf reads a module once to name it by its content.
func digestOf(module *os.File) (string, error) {
	st, err := module.Stat()
	if err != nil {
		return "", fmt.Errorf("module: %w", err)
	}
	if !st.Mode().IsRegular() {
		return "", fmt.Errorf("module %s: not a regular file: %w", filepath.Base(module.Name()), errdefs.ErrInvalidArgument)
	}
	if st.Size() > maxModule {
		return "", fmt.Errorf("module %s: %d bytes are more than the %d a module may have: %w",
			filepath.Base(module.Name()), st.Size(), maxModule, errdefs.ErrInvalidArgument)
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(module, 0, maxModule)); err != nil {
		return "", fmt.Errorf("module: %w", err)
	}
	return "sha256:" + hex.EncodeToString(sum.Sum(nil)), nil
}

// reopen gives the same file a descriptor with a life of its own.
func reopen(f *os.File) (*os.File, error) {
	own, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
	if err != nil {
		return nil, fmt.Errorf("module: %w", err)
	}
	return own, nil
}
