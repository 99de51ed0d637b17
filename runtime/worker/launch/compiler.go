// SPDX-License-Identifier: Apache-2.0

package launch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/worker/spec"
	"github.com/wazelet/wazelet/runtime/worker/wire"
)

// nobody is the user a compiler runs as.
const nobody = 65534

// maxModule bounds a module's bytes.
const maxModule = 512 << 20

// CompilerOptions say how to compile one module.
type CompilerOptions struct {
	WorkerPath string
	Module     *os.File
	// Digest is what the module must have, "sha256:…": a file that a container
	// can write to may have changed since it was hashed, and its compiled form
	// must not be taken for another module's. "" is any.
	Digest   string
	OutDir   string // an empty directory of the caller's
	Memory   int64  // what the compiler's cgroup allows, in bytes; 0 is no limit
	Cgroup   Cgroup // limits its memory; nil leaves it in the daemon's
	Rootless bool
}

// Compiler compiles a module in a confined process of its own and returns when
// OutDir holds its compiled form, owned by root again. A module that is none,
// or asks for what the engine does not have, is ErrInvalidArgument with the
// compiler's words; one that needs more memory than allowed is
// ErrResourceExhausted. When ctx ends the process is killed.
func Compiler(ctx context.Context, o CompilerOptions) error {
	uid := nobody
	if o.Rootless {
		uid = 0
	}
	module, err := privateCopy(o)
	if err != nil {
		return err
	}
	defer module.Close()
	o.Module = module
	if err := giveAway(o, uid); err != nil {
		return fmt.Errorf("compiler: %w", err)
	}
	out, err := os.Open(o.OutDir)
	if err != nil {
		return fmt.Errorf("compiler: %w", err)
	}
	defer out.Close()
	if err := o.run(ctx, out, uid); err != nil {
		return err
	}
	return takeBack(o)
}

// run starts the compiler, leads the dialog and sees to it that the process is
// gone, whatever came of it, before anyone trusts what it wrote.
func (o *CompilerOptions) run(ctx context.Context, out *os.File, uid int) (err error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	p, conn, stop, err := start(ctx, child{
		path: o.WorkerPath, mode: "compile", rootless: o.Rootless, env: compilerEnv(o.Memory),
		dir: "/", enter: func() error { return nil }, cgroup: o.Cgroup,
		files: []*os.File{null, null, null, nil},
		flags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWNET,
	})
	if err != nil {
		return err
	}
	defer conn.Close()
	defer stop()
	defer func() { err = errors.Join(err, p.end(ctx)) }()
	job := spec.Compile{UID: uint32(uid), GID: uint32(uid), MaxBytes: maxModule, Rootless: o.Rootless}
	if err := wire.Send(conn, job, o.Module, out); err != nil {
		return p.explainCompiler(ctx, err)
	}
	if _, err := wire.Receive(conn, &spec.Compiled{}); err != nil {
		return p.explainCompiler(ctx, err)
	}
	return nil
}

// privateCopy returns a copy of the module that nobody else can write to, and
// that has the digest asked for. It has no name: it is gone when it is closed.
func privateCopy(o CompilerOptions) (_ *os.File, err error) {
	file, err := os.CreateTemp(o.OutDir, "module")
	if err != nil {
		return nil, fmt.Errorf("compiler: %w", err)
	}
	defer file.Close()
	if err := os.Remove(file.Name()); err != nil {
		return nil, fmt.Errorf("compiler: %w", err)
	}
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(file, sum), io.NewSectionReader(o.Module, 0, maxModule+1))
	if err != nil {
		return nil, fmt.Errorf("module: %w", err)
	}
	if n > maxModule {
		return nil, fmt.Errorf("module is larger than %d bytes: %w", maxModule, errdefs.ErrInvalidArgument)
	}
	if digest := "sha256:" + hex.EncodeToString(sum.Sum(nil)); o.Digest != "" && digest != o.Digest {
		return nil, fmt.Errorf("module %s changed while it was being compiled: %w", o.Digest, errdefs.ErrUnavailable)
	}
	return os.Open(fmt.Sprintf("/proc/self/fd/%d", file.Fd()))
}

// compilerEnv keeps the collector below the cgroup's limit.
func compilerEnv(memory int64) []string {
	if memory <= 0 {
		return nil
	}
	return []string{fmt.Sprintf("GOMEMLIMIT=%d", memory/10*9)}
}

// giveAway makes the output directory the compiler's.
func giveAway(o CompilerOptions, uid int) error {
	if o.Rootless {
		return nil
	}
	return os.Chown(o.OutDir, uid, uid)
}

// takeBack makes everything root's and read-only: the code in there is what
// containers will run.
func takeBack(o CompilerOptions) error {
	root, err := os.OpenRoot(o.OutDir)
	if err != nil {
		return fmt.Errorf("compiler: %w", err)
	}
	defer root.Close()
	return takeBackDir(root, ".", o.Rootless, 0)
}

// maxOutputDepth is how deep a compiler's output may be: wazero's own directory
// is the only one in it.
const maxOutputDepth = 2

func takeBackDir(root *os.Root, name string, rootless bool, depth int) error {
	if depth > maxOutputDepth {
		return fmt.Errorf("compiler: output %s is too deep", name)
	}
	dir, err := root.Open(name)
	if err != nil {
		return err
	}
	entries, err := dir.ReadDir(-1)
	dir.Close()
	if err != nil {
		return err
	}
	for _, e := range entries {
		at := name + "/" + e.Name()
		switch {
		case e.IsDir():
			err = takeBackDir(root, at, rootless, depth+1)
		case e.Type().IsRegular():
			err = own(root, at, rootless, 0o444)
		default:
			err = fmt.Errorf("compiler: output %s is neither a file nor a directory", at)
		}
		if err != nil {
			return err
		}
	}
	return own(root, name, rootless, 0o755)
}

func own(root *os.Root, name string, rootless bool, mode os.FileMode) error {
	if !rootless {
		if err := root.Lchown(name, 0, 0); err != nil {
			return err
		}
	}
	return root.Chmod(name, mode)
}

// explainCompiler says why there is no answer: a compiler that was killed used
// too much memory, since nobody else kills it.
func (p *Process) explainCompiler(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, unix.EPIPE) && !errors.Is(err, unix.ECONNRESET) {
		return Classify(err)
	}
	status, err := p.Wait(ctx)
	if err != nil {
		return err
	}
	if status.Code == 128+int32(unix.SIGKILL) {
		return fmt.Errorf("module needs more memory to compile than the compiler may use: %w", errdefs.ErrResourceExhausted)
	}
	return fmt.Errorf("compiler ended with code %d: %w", status.Code, errdefs.ErrInternal)
}
