// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"context"
	"os"

	"github.com/containerd/errdefs"

	"github.com/wazelet/wazelet/imageservice"
	"github.com/wazelet/wazelet/runtime/worker/launch"
)

// Launch starts a worker and gives it the compiled code of the module it finds
// in its root. A compiled form that does not load is rebuilt once. A module
// that cannot run as a container is ErrInvalidArgument with the reason. The compiled
// form stays as long as the image, the container's, which may be none.
func (m *Modules) Launch(ctx context.Context, image imageservice.Image, o launch.Options) (*launch.Process, error) {
	return retried(ctx, m, image, func(compile launch.Compile, _ func(string)) (*launch.Process, error) {
		return launch.Container(ctx, o, compile)
	})
}

// Exec starts a command in a container as Launch starts a container. builtin has
// the programs that the root has not.
func (m *Modules) Exec(ctx context.Context, image imageservice.Image, o launch.ExecOptions, builtin launch.Builtin) (*launch.Command, error) {
	return retried(ctx, m, image, func(compile launch.Compile, using func(string)) (*launch.Command, error) {
		return launch.Exec(ctx, o, compile, func(ctx context.Context, name string) (*os.File, string, error) {
			dir, digest, err := builtin(ctx, name)
			using(digest)
			return dir, digest, err
		})
	})
}

// retried starts a worker with what compile gives it, or with another module it
// says it is using, and once more when that did not load and has been put out of
// use.
func retried[P any](ctx context.Context, m *Modules, image imageservice.Image, start func(launch.Compile, func(digest string)) (P, error)) (P, error) {
	var digest string
	using := func(d string) { digest = d }
	compile := func(ctx context.Context, module *os.File) (*os.File, string, error) {
		compiled, err := m.Ensure(ctx, module)
		if err != nil {
			return nil, "", err
		}
		using(compiled.Digest)
		m.usedBy(compiled.Digest, image)
		return compiled.Dir, compiled.Digest, nil
	}
	process, err := start(compile, using)
	if !errdefs.IsDataLoss(err) || digest == "" {
		return process, err
	}
	if err := m.quarantine(ctx, digest); err != nil {
		return process, err
	}
	return start(compile, using)
}
