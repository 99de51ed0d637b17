// SPDX-License-Identifier: Apache-2.0

package images

import (
	"context"
	"fmt"

	"github.com/opencontainers/go-digest"

	"github.com/wazelet/wazelet/imageservice"
	"github.com/wazelet/wazelet/runtime"
	"github.com/wazelet/wazelet/toolbox"
)

// Check compares a store and its module cache with their digests, see [imageservice.Service.Check] and
// [runtime.Modules.Check]. With repair, the modules of images are compiled anew where that was damaged.
func Check(ctx context.Context, service *imageservice.Service, modules *runtime.Modules, repair bool) (imageservice.Report, error) {
	report, err := service.Check(ctx, repair)
	if err != nil {
		return report, fmt.Errorf("check: %w", err)
	}
	builtin, err := toolboxDigest()
	if err != nil {
		return report, err
	}
	keep := func(module digest.Digest) bool { return module == builtin || report.Wasm[module] }
	count, findings, err := modules.Check(ctx, keep, repair)
	report.Modules, report.Findings = count, append(report.Findings, findings...)
	if err != nil {
		return report, fmt.Errorf("check: %w", err)
	}
	if repair && len(findings) > 0 {
		compileMissing(ctx, modules, service)
	}
	return report, ctx.Err()
}

// toolboxDigest names the module that belongs to no image; "" when this binary has none.
func toolboxDigest() (digest.Digest, error) {
	if !toolbox.Has("sh") {
		return "", nil
	}
	module, err := toolbox.Module()
	if err != nil {
		return "", fmt.Errorf("toolbox: %w", err)
	}
	return digest.FromBytes(module), nil
}
