// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"io"

	"github.com/wazelet/wazelet/integration/lab/parts"
)

// PrepareHelm makes sure of helm.
func PrepareHelm(ctx context.Context, log io.Writer) error {
	repo, err := parts.Repo()
	if err != nil {
		return err
	}
	return parts.NewBuilder(repo, log).Build(ctx, parts.Helm()...)
}

// Helm runs helm as the cluster's administrator.
func (c *Cluster) Helm(ctx context.Context, args ...string) (Output, error) {
	return c.Command(ctx, "helm", args...)
}
