// SPDX-License-Identifier: Apache-2.0

// Package archive has the commands that pack files and unpack them: tar, on which `kubectl cp`
// depends, and gzip.
package archive

import (
	"context"
	"io"

	"github.com/wazelet/wazelet/toolbox/command"
)

// Commands are the commands of this package.
func Commands() map[string]command.Func {
	return map[string]command.Func{"tar": tar, "gzip": gzip, "gunzip": gzip, "zcat": gzip}
}

// reader ends with its context.
type reader struct {
	ctx context.Context
	r   io.Reader
}

func (r reader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.r.Read(b)
}
