// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/wazelet/wazelet/runtime/seccomp"
	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// profileFile is a container's copy of its seccomp profile.
func (c *Controller) profileFile(id string) string { return filepath.Join(c.dir(id), "seccomp.json") }

// keepProfile copies the seccomp profile the container is to have: what filters
// it, and whatever is executed in it later, does not change with the node's
// file.
func (c *Controller) keepProfile(n Container) error {
	if n.Config.SeccompProfile == "" {
		return nil
	}
	raw, err := seccomp.Read(n.Config.SeccompProfile)
	if err != nil {
		return err
	}
	return os.WriteFile(c.profileFile(n.ID), raw, 0o600)
}

// filter is what the container's profile makes of its system calls, nil when it
// has none. It comes on top of a worker's own filter.
func (c *Controller) filter(n Container) (*spec.Seccomp, error) {
	if n.Config.SeccompProfile == "" {
		return nil, nil
	}
	raw, err := seccomp.Read(c.profileFile(n.ID))
	if err != nil {
		return nil, err
	}
	policy, err := seccomp.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("seccomp profile %s: %w", n.Config.SeccompProfile, err)
	}
	filter, err := policy.Compile()
	if err != nil {
		return nil, fmt.Errorf("seccomp profile %s: %w", n.Config.SeccompProfile, err)
	}
	return filter, nil
}
