// SPDX-License-Identifier: Apache-2.0

package delegate

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/containerd/log"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

const (
	// readPatience is how long an answer from both sides waits for the upstream one
	// before it is given without.
	readPatience = 2 * time.Second
	// measurePatience is that of measurements, which take the upstream runtime longer
	// the more containers it has.
	measurePatience = 10 * time.Second
)

// method is one unary RPC of a generated client.
type method[Q, A any] func(context.Context, Q, ...grpc.CallOption) (A, error)

// forward hands a call to the upstream runtime and gives back its answer, whatever it
// is. One that is known to be away is not asked.
func forward[Q, A any](ctx context.Context, u *Upstream, call method[Q, A], request Q) (answer A, err error) {
	if err := u.refusal(); err != nil {
		return answer, err
	}
	var header, trailer metadata.MD
	answer, err = call(passOn(ctx), request, grpc.Header(&header), grpc.Trailer(&trailer))
	passBack(ctx, header, trailer)
	if err == nil {
		return answer, nil
	}
	if isAway(err) && ctx.Err() == nil {
		cause := u.describe(err)
		u.health.lost(cause, false)
		return answer, cause
	}
	return answer, asItIs(err)
}

// done is forward for a call that changes something; learn is told when it is done.
func done[Q, A any](ctx context.Context, u *Upstream, call method[Q, A], request Q, learn func(A)) (answer A, err error) {
	answer, err = forward(ctx, u, call, request)
	if err == nil {
		learn(answer)
	}
	return answer, err
}

// ask reads from the upstream runtime, for as long as patience allows, and falls back
// on what is known; when nothing is, it is the error.
func ask[Q, A any](ctx context.Context, u *Upstream, patience time.Duration, call method[Q, A], request Q, known func() (A, bool)) (A, error) {
	if cause, since, _ := u.health.why(); cause != nil {
		return lastKnownOr(u, known, since, cause)
	}
	bounded, cancel := context.WithTimeout(passOn(ctx), patience)
	defer cancel()
	var header, trailer metadata.MD
	answer, err := call(bounded, request, grpc.Header(&header), grpc.Trailer(&trailer))
	passBack(ctx, header, trailer)
	if err == nil || ctx.Err() != nil {
		return answer, asItIs(err)
	}
	switch {
	case isAway(err):
		u.health.lost(u.describe(err), false)
	case isTimeout(err):
		u.health.lost(u.describe(err), true)
	default:
		return answer, asItIs(err)
	}
	cause, since, _ := u.health.why()
	return lastKnownOr(u, known, since, cause)
}

// askOne is ask for one thing, which waits as the client does when nothing is known.
func askOne[Q, A any](ctx context.Context, u *Upstream, call method[Q, A], request Q, known func() (A, bool)) (A, error) {
	if _, ok := known(); !ok {
		return forward(ctx, u, call, request)
	}
	return ask(ctx, u, readPatience, call, request, known)
}

// lastKnownOr gives what is known, for as long as that may be shown, and the cause
// otherwise.
func lastKnownOr[A any](u *Upstream, known func() (A, bool), since time.Time, cause error) (answer A, err error) {
	if time.Since(since) < u.lastKnown {
		if last, ok := known(); ok {
			return last, nil
		}
	}
	return answer, cause
}

// list is ask for a list of both sides, which an error of the upstream runtime's must
// not make short: whatever it is, what is known stands in.
func list[Q, A any](ctx context.Context, u *Upstream, patience time.Duration, call method[Q, A], request Q, known func() (A, bool)) (A, error) {
	answer, err := ask(ctx, u, patience, call, request, known)
	if err == nil || isAway(err) || isUnimplemented(err) || ctx.Err() != nil {
		return answer, err
	}
	if last, ok := known(); ok {
		log.G(ctx).WithError(err).Warn("the upstream runtime answers no list; what was last seen stands in")
		return last, nil
	}
	return answer, err
}

// passOn is the context of a call to the upstream runtime: the client's metadata, but
// for what belongs to the client's own connection. Deadlines and cancellation are in
// the context already.
func passOn(ctx context.Context) context.Context {
	incoming, ok := metadata.FromIncomingContext(ctx)
	if !ok {
		return ctx
	}
	outgoing := metadata.MD{}
	for key, values := range incoming {
		if isConnections(key) {
			continue
		}
		outgoing[key] = slices.Clone(values)
	}
	return metadata.NewOutgoingContext(ctx, outgoing)
}

// isConnections says whether a key is about the connection, see the gRPC protocol over
// HTTP/2.
func isConnections(key string) bool {
	return strings.HasPrefix(key, ":") || strings.HasPrefix(key, "grpc-") || key == "content-type" || key == "user-agent" || key == "te"
}

// passBack gives the client the metadata of the answer.
func passBack(ctx context.Context, header, trailer metadata.MD) {
	if header = withoutConnections(header); len(header) > 0 {
		_ = grpc.SetHeader(ctx, header) // the client is gone
	}
	if trailer = withoutConnections(trailer); len(trailer) > 0 {
		_ = grpc.SetTrailer(ctx, trailer)
	}
}

// route answers from the side that an id is on.
func route[Q, A any](ctx context.Context, r *Router, k kind, id string, request Q, own func(context.Context, Q) (A, error), theirs func() (A, error)) (answer A, err error) {
	local, err := r.isLocal(ctx, k, id)
	switch {
	case err != nil:
		return answer, err
	case local:
		return own(ctx, request)
	default:
		return theirs()
	}
}
