// SPDX-License-Identifier: Apache-2.0

package foreground

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/containerd/errdefs"

	"github.com/wazelet/wazelet/imageservice"
	"github.com/wazelet/wazelet/runtime/worker/spec"
	"github.com/wazelet/wazelet/undo"
)

// program is what runs: the spec of its container, and the module's file when
// it is not one of the container's own.
type program struct {
	spec   spec.Container
	module *os.File
}

func (p *program) close() {
	if p.module != nil {
		p.module.Close()
	}
}

// resolve finds what the user named: a file when there is one, else an image.
func (s *store) resolve(ctx context.Context, o Options, id string, made *undo.Stack) (*program, error) {
	name, export, ok := spec.CutExport(o.Program)
	if _, err := os.Stat(o.Program); !ok || err == nil {
		name, export = o.Program, ""
	}
	file, err := openModule(name)
	if err != nil {
		return nil, err
	}
	if file != nil {
		return fromFile(file, export, o, id), nil
	}
	return s.fromImage(ctx, o, id, made)
}

// openModule opens a file that the name is a path of. It is nil when the name
// must be an image's: no such file, and nothing says that there should be one.
func openModule(name string) (*os.File, error) {
	isPath := strings.HasSuffix(name, ".wasm") || strings.HasPrefix(name, "/") || strings.HasPrefix(name, "./") || strings.HasPrefix(name, "../")
	if !isPath && !strings.Contains(name, "/") {
		return nil, nil
	}
	file, err := os.Open(name)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !isPath:
		return nil, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("module %s: no such file: %w", name, errdefs.ErrNotFound)
	case err != nil:
		return nil, fmt.Errorf("module %s: %w: %w", name, err, errdefs.ErrFailedPrecondition)
	}
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		file.Close()
		return nil, fmt.Errorf("module %s: not a regular file: %w", name, errdefs.ErrInvalidArgument)
	}
	return file, nil
}

// fromFile shows the module, alone, in an empty root.
func fromFile(file *os.File, export string, o Options, id string) *program {
	c := newSpec(id, o)
	c.Module = &spec.ModuleFile{Name: filepath.Base(file.Name())}
	c.Mounts = append(c.Mounts, trust(c)...)
	c.Args = append([]string{c.Module.Path()}, o.Args...)
	if export != "" {
		c.Args[0] += "#" + export
	}
	c.Cwd = or(c.Cwd, "/")
	c.Env = o.environment(nil, c.Cwd)
	return &program{spec: c, module: file}
}

// fromImage makes a container of an image, as a pod's would be; it is pulled
// if the store does not have it.
func (s *store) fromImage(ctx context.Context, o Options, id string, made *undo.Stack) (*program, error) {
	images, err := s.openImages(ctx)
	if err != nil {
		return nil, err
	}
	image, err := images.Get(ctx, o.Program)
	if errdefs.IsNotFound(err) {
		fmt.Fprintf(o.Progress, "wazelet: pulling %s\n", o.Program)
		image, err = images.Pull(ctx, o.Program, nil)
	}
	if err != nil {
		return nil, err
	}
	mounts, err := images.PrepareRoot(ctx, id, image.ID)
	if err != nil {
		return nil, err
	}
	made.Push("root file system", func(ctx context.Context) error { return removeRoot(ctx, o, id) })
	c := newSpec(id, o)
	for _, m := range mounts {
		c.Root = append(c.Root, spec.Mount{Destination: "/", Type: m.Type, Source: m.Source, Options: m.Options})
	}
	if !c.Rootless { // else there is but one user
		if c.UID, c.GID, c.Groups, err = images.LookupUser(ctx, image, image.User); err != nil {
			return nil, err
		}
	}
	c.Cwd = or(c.Cwd, image.WorkingDir, "/")
	c.Env = o.environment(image.Env, c.Cwd)
	p := &program{spec: c}
	return p, p.command(ctx, images, image, o.Args)
}

// command sets what runs in an image: its module, or the file that its
// entrypoint names. Arguments replace those of the image.
func (p *program) command(ctx context.Context, images *imageservice.Service, image imageservice.Image, args []string) (err error) {
	if image.Kind == imageservice.KindModule {
		p.spec.Module = &spec.ModuleFile{Name: image.Module.Name}
		p.spec.Mounts = append(p.spec.Mounts, trust(p.spec)...)
		p.spec.Args = append([]string{p.spec.Module.Path()}, args...)
		if len(image.Entrypoint) > 0 || len(args) == 0 && len(image.Cmd) > 0 {
			p.spec.Args = imageArgs(image, args)
		}
		p.module, err = images.OpenModule(ctx, image)
		return err
	}
	p.spec.Args = imageArgs(image, args)
	if len(p.spec.Args) == 0 {
		return fmt.Errorf("image %s: it names no program (Entrypoint, Cmd), and the command line none either: %w",
			image.ID, errdefs.ErrInvalidArgument)
	}
	return nil
}

// imageArgs is an image's command line, with its last part replaced by args if
// there are any.
func imageArgs(image imageservice.Image, args []string) []string {
	if len(args) == 0 {
		args = image.Cmd
	}
	return slices.Concat(image.Entrypoint, args)
}

// environment is what the user says over what the image says over what every
// container has unless somebody says otherwise; or what the user says, alone.
func (o Options) environment(image []string, cwd string) []string {
	if o.ClearEnv {
		return variables(o.Env)
	}
	return variables([]string{"PATH=" + spec.DefaultPath, "HOSTNAME=" + hostname, "PWD=" + cwd}, image, o.Env)
}

// variables joins lists of KEY=value. The last one that names a variable sets it.
func variables(lists ...[]string) []string {
	values := map[string]string{}
	var names []string // in the order of their first mention
	for _, kv := range slices.Concat(lists...) {
		name, value, _ := strings.Cut(kv, "=")
		if _, known := values[name]; !known {
			names = append(names, name)
		}
		values[name] = value
	}
	env := make([]string, len(names))
	for i, name := range names {
		env[i] = name + "=" + values[name]
	}
	return env
}

// or is the first of the values that is not empty.
func or(values ...string) string {
	for _, value := range values {
		if value != "" {
			return value
		}
	}
	return ""
}
