// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"context"
	"errors"
	"net"

	"github.com/wazelet/wazelet/runtime/engine"
	"github.com/wazelet/wazelet/runtime/worker/confine"
	"github.com/wazelet/wazelet/runtime/worker/spec"
	"github.com/wazelet/wazelet/runtime/worker/wire"
)

// load sends the program's file to the daemon and loads the compiled code that
// comes back. What meanwhile does waits for nothing but takes its time.
func load(ctx context.Context, conn *net.UnixConn, loader *confine.Loader, p program, maxPages uint32, meanwhile func()) (*engine.Module, error) {
	defer p.file.Close()
	if err := wire.Send(conn, spec.Resolved{Path: p.path}, p.file); err != nil {
		return nil, err
	}
	meanwhile()
	module, _, err := loadAnswer(ctx, conn, loader, maxPages, p.export)
	if failure, ok := errors.AsType[*spec.Failure](err); ok && failure.Class == spec.Invalid {
		err = spec.Failf(spec.Invalid, "%s: %w", p.path, failure)
	}
	return module, err
}

// loadAnswer loads the compiled code that the daemon sends.
func loadAnswer(ctx context.Context, conn *net.UnixConn, loader *confine.Loader, maxPages uint32, export string) (module *engine.Module, builtin bool, err error) {
	var answer spec.Compiled
	compiled, err := receive(conn, &answer, true)
	if err != nil {
		return nil, false, err
	}
	err = loader.Load(compiled, func(dir string) (err error) {
		module, err = engine.Load(ctx, dir, maxPages, export)
		return err
	})
	return module, answer.Builtin, err
}

// seal gives up the last rights, which only loading needed, and those that the
// pod's own profile and filter take.
func seal(collector *engine.Collector, noDialing bool, profile string, own *spec.Seccomp) error {
	collector.Tidy()
	if profile != "" {
		if err := confine.ChangeProfile(profile); err != nil {
			return err
		}
	}
	if noDialing {
		if err := confine.ForbidDialing(); err != nil {
			return err
		}
	}
	return confine.Seal(own)
}
