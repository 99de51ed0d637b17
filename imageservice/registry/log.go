// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"

	"github.com/containerd/log"
	"github.com/sirupsen/logrus"
)

// quiet returns ctx with a logger that passes warnings only, unless debugging: what the resolver tells about each host
// it tries is in the error, if it matters.
func quiet(ctx context.Context) context.Context {
	entry := log.G(ctx)
	if entry.Logger.IsLevelEnabled(logrus.DebugLevel) {
		return ctx
	}
	logger := &logrus.Logger{
		Out:       entry.Logger.Out,
		Hooks:     entry.Logger.Hooks,
		Formatter: entry.Logger.Formatter,
		Level:     logrus.WarnLevel,
	}
	return log.WithLogger(ctx, logger.WithFields(entry.Data))
}
