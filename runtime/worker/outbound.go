// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"io"

	"github.com/wazelet/wazelet/runtime/wasi/httpcall"
	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// newOutbound is what a guest with this environment may ask by HTTP, nothing when o is
// nil. Requests that fail are told to log.
func newOutbound(o *spec.Outbound, env []string, newClient httpcall.NewClient, log io.Writer) (*httpcall.Outbound, error) {
	outbound := &httpcall.Outbound{Log: func(line string) { _, _ = io.WriteString(log, line+"\n") }}
	if o == nil {
		return outbound, nil
	}
	if newClient == nil {
		return nil, spec.Failf(spec.Internal, "set-up: the container may make HTTP requests, and this worker has no client")
	}
	outbound.Outbound, outbound.Client = *o, newClient(*o, env)
	return outbound, nil
}
