// SPDX-License-Identifier: Apache-2.0

package guest

import (
	"context"

	"github.com/wazelet/wazelet/runtime/wasi"
)

// Caller is the guest behind a call, where one host module serves several guests at once: each runs
// with a context that WithCaller made.
type Caller struct {
	// Sys is the guest's host.
	Sys *wasi.System
	// Arrive is called as the guest's thread comes out of its code into a host call, Depart before
	// it goes back; a guest that ends in the call does not depart.
	Arrive, Depart func()
}

type callerKey struct{}

// WithCaller returns the context to run the caller's guest with.
func WithCaller(ctx context.Context, c *Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// callerOf is the guest of a call's context. That there is one is the engine's duty: wazero turns
// the panic of a missing one into the guest's end.
func callerOf(ctx context.Context) *Caller { return ctx.Value(callerKey{}).(*Caller) }
