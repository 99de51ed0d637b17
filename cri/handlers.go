// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// handlers knows which names a RuntimeClass may use.
type handlers struct {
	names    []string                    // sorted
	fallback string                      // what "" stands for
	noUserNS func(context.Context) error // see Options
}

func newHandlers(names []string, fallback string, noUserNS func(context.Context) error) handlers {
	sorted := slices.Clone(names)
	slices.Sort(sorted)
	if noUserNS == nil {
		noUserNS = func(context.Context) error { return nil }
	}
	return handlers{names: slices.Compact(sorted), fallback: fallback, noUserNS: noUserNS}
}

// resolve gives the handler a request means, or refuses one that is not
// configured: the API asks for that (RunPodSandboxRequest.runtime_handler).
func (h handlers) resolve(name string) (string, error) {
	if name == "" {
		name = h.fallback
	}
	if !slices.Contains(h.names, name) {
		return "", errdefs.ErrInvalidArgument.WithMessage(
			fmt.Sprintf("runtime handler %q is not configured (known: %s)", clean(name, 253), strings.Join(h.names, ", ")))
	}
	return name, nil
}

// status lists the handlers for the node's status: "" first, then every name.
func (h handlers) status(ctx context.Context) ([]*runtimeapi.RuntimeHandler, error) {
	noUserNS := h.noUserNS(ctx)
	if err := ctx.Err(); err != nil { // it was not found out
		return nil, err
	}
	features := &runtimeapi.RuntimeHandlerFeatures{RecursiveReadOnlyMounts: hasMountSetattr(), UserNamespaces: noUserNS == nil}
	list := []*runtimeapi.RuntimeHandler{{Name: "", Features: features}}
	for _, name := range h.names {
		list = append(list, &runtimeapi.RuntimeHandler{Name: name, Features: features})
	}
	return list, nil
}

// hasMountSetattr says whether the kernel can make a mount read-only with all
// that lies below it: mount_setattr(2), Linux 5.12. A descriptor that is not
// open tells a missing call (ENOSYS) from a bad argument.
func hasMountSetattr() bool {
	err := unix.MountSetattr(-1, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
	return err != unix.ENOSYS
}
