// SPDX-License-Identifier: Apache-2.0

// Package images is what `wazelet image` does, and what the daemon and
// `wazelet run` have in common in keeping images.
package images

import (
	"maps"
	"slices"
	"time"

	"github.com/wazelet/wazelet/config"
	"github.com/wazelet/wazelet/imageservice"
	"github.com/wazelet/wazelet/imageservice/policy"
)

// Options are those of an image store under root, as configured.
func Options(root string, c config.Image) imageservice.Options {
	o := imageservice.Options{
		Root: root, Snapshotter: c.Snapshotter, HostsDir: c.HostsDir,
		MaxConcurrentDownloads: c.MaxConcurrentDownloads,
		PullProgressTimeout:    time.Duration(c.ProgressTimeout),
		Pinned:                 c.Pinned,
		Policy:                 policy.Policy{Default: policy.Accept(c.Policy.Default)},
	}
	for _, name := range slices.Sorted(maps.Keys(c.Policy.Rules)) {
		rule := c.Policy.Rules[name]
		o.Policy.Rules = append(o.Policy.Rules, policy.Rule{
			Name: name, Scopes: rule.Scopes, Accept: policy.Accept(rule.Accept),
			Pinned: rule.Pinned, Keys: rule.Keys, AnyIdentity: rule.AnyIdentity,
		})
	}
	return o
}
