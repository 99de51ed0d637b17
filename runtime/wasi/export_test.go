// SPDX-License-Identifier: Apache-2.0

package wasi

import (
	"context"
	"net"
)

// WithoutNowait makes reads and writes of a descriptor ask the poller first, as on kernels that do not
// know RWF_NOWAIT for that kind of file.
func (d *Descriptor) WithoutNowait() { d.noNowait.Store(true) }

// WithoutOpenat2 is a System on a kernel without openat2.
func (s *System) WithoutOpenat2() { s.openat2 = false }

// ResolveWith makes lookups ask a server of the test's; a lookup given up may still use the one before.
func ResolveWith(dial func(ctx context.Context, network, address string) (net.Conn, error)) {
	resolver = &net.Resolver{PreferGo: true, Dial: dial}
}
