// SPDX-License-Identifier: Apache-2.0

// Package registry reads images from OCI registries: names are resolved to digests, blobs are streamed, mirrors,
// certificates and plain HTTP come from hosts.toml files. It is the only package that speaks to a registry.
//
// Its errors are *Error: a sentence for the person who wrote the pod, with a class of errdefs.
package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/containerd/containerd/v2/core/remotes"
	"github.com/containerd/containerd/v2/core/remotes/docker"
	"github.com/containerd/containerd/v2/core/remotes/docker/config"
	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wazelet/wazelet/observe"
)

// userAgent names the client to registries.
const userAgent = "wazelet"

// MaxManifest is the size in bytes above which neither a manifest, an index nor any other answer that is not a blob is
// read. Registries refuse manifests above 4 MiB themselves.
const MaxManifest = 4 << 20

// Options configure all sessions.
type Options struct {
	// HostsDir has a directory per registry with its hosts.toml and certificates, laid out as for containerd
	// (https://github.com/containerd/containerd/blob/main/docs/hosts.md). "" means none.
	HostsDir string
	// ProgressTimeout ends a transfer that brings no byte for so long. 0 means never.
	ProgressTimeout time.Duration
}

// Session reads one repository for one pull. It is safe for concurrent use and must be closed.
type Session struct {
	ref      reference.Named
	opts     Options
	auth     *Auth
	resolver remotes.Resolver
	received atomic.Int64
	expected atomic.Int64
	once     sync.Once // guards the next two
	hosts    []docker.RegistryHost
	hostsErr error
	mu       sync.Mutex // guards bases
	bases    []*http.Transport
}

// Open returns a session for the repository of ref, which must have a tag or a digest. No connection is made yet.
func Open(ref reference.Named, auth *Auth, opts Options) *Session {
	s := &Session{ref: ref, opts: opts, auth: auth}
	s.resolver = docker.NewResolver(docker.ResolverOptions{
		Hosts:   func(string) ([]docker.RegistryHost, error) { return s.configure() },
		Headers: http.Header{"User-Agent": []string{userAgent}},
	})
	return s
}

// Close gives the session's idle connections back.
func (s *Session) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, base := range s.bases {
		base.CloseIdleConnections()
	}
}

// Received returns the bytes of blobs read so far.
func (s *Session) Received() int64 { return s.received.Load() }

// Expect adds to the bytes that the pull will read.
func (s *Session) Expect(bytes int64) { s.expected.Add(bytes) }

// Expected returns the bytes that the pull is known to need, of which some may be on the node already.
func (s *Session) Expected() int64 { return s.expected.Load() }

// configure reads the host's configuration once, so that all requests of the session share tokens and connections.
func (s *Session) configure() ([]docker.RegistryHost, error) {
	s.once.Do(func() {
		options := config.HostOptions{
			Credentials: s.credentials,
			UpdateClient: func(client *http.Client) error {
				client.Transport = s.transport(client.Transport)
				return nil
			},
			AuthorizerOpts: []docker.AuthorizerOpt{docker.WithAuthHeader(http.Header{"User-Agent": []string{userAgent}})},
		}
		if s.opts.HostsDir != "" {
			options.HostDir = config.HostDirFromRoot(s.opts.HostsDir)
		}
		s.hosts, s.hostsErr = config.ConfigureHosts(quiet(context.Background()), options)(s.domain())
		if s.hostsErr != nil {
			s.hostsErr = &Error{
				Text:  fmt.Sprintf("configuration of registry %s in %s: %v", s.domain(), s.opts.HostsDir, s.hostsErr),
				Class: errdefs.ErrFailedPrecondition, Cause: s.hostsErr,
			}
		}
	})
	return s.hosts, s.hostsErr
}

func (s *Session) domain() string { return reference.Domain(s.ref) }

// Resolve asks the registry what the reference is.
func (s *Session) Resolve(ctx context.Context) (ocispec.Descriptor, error) {
	return s.resolve(ctx, s.ref)
}

// ResolveTag asks the registry what another tag of the repository is.
func (s *Session) ResolveTag(ctx context.Context, tag string) (ocispec.Descriptor, error) {
	ref, err := reference.WithTag(reference.TrimNamed(s.ref), tag)
	if err != nil {
		return ocispec.Descriptor{}, &Error{Text: fmt.Sprintf("tag %s: %v", tag, err), Class: errdefs.ErrInvalidArgument, Cause: err}
	}
	return s.resolve(ctx, ref)
}

func (s *Session) resolve(ctx context.Context, ref reference.Named) (ocispec.Descriptor, error) {
	_, desc, err := s.resolver.Resolve(quiet(ctx), ref.String())
	if err != nil {
		return ocispec.Descriptor{}, s.explain(ctx, err, "")
	}
	if desc.Size > MaxManifest {
		return ocispec.Descriptor{}, &Error{
			Text:  fmt.Sprintf("its manifest has %d bytes, more than the %d allowed", desc.Size, int64(MaxManifest)),
			Class: errdefs.ErrInvalidArgument,
		}
	}
	return desc, nil
}

// Fetch streams what desc names. Interrupted transfers are taken up where they stopped; at most one byte more than
// desc.Size is read. Alternative addresses in the descriptor are never followed: an image must not choose which hosts
// the node speaks to. The caller checks the digest.
func (s *Session) Fetch(ctx context.Context, desc ocispec.Descriptor) (io.ReadCloser, error) {
	what := "blob " + desc.Digest.String()
	fetcher, err := s.resolver.Fetcher(quiet(ctx), s.ref.String())
	if err != nil {
		return nil, s.explain(ctx, err, what)
	}
	body, err := fetcher.Fetch(quiet(ctx), ocispec.Descriptor{MediaType: desc.MediaType, Digest: desc.Digest, Size: desc.Size})
	if err != nil {
		return nil, s.explain(ctx, err, what)
	}
	return &blob{ReadCloser: body, ctx: ctx, session: s, what: what}, nil
}

// blob counts what is read and puts errors into words; the first read opens the connection.
type blob struct {
	io.ReadCloser
	ctx     context.Context
	session *Session
	what    string
}

func (b *blob) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.session.received.Add(int64(n))
	observe.Received(n)
	if err != nil && !errors.Is(err, io.EOF) {
		err = b.session.explain(b.ctx, err, b.what)
	}
	return n, err
}

// Seek lets a transfer that another pull began go on from there.
func (b *blob) Seek(offset int64, whence int) (int64, error) {
	seeker, ok := b.ReadCloser.(io.Seeker)
	if !ok {
		return 0, fmt.Errorf("%s: not seekable: %w", b.what, errdefs.ErrNotImplemented)
	}
	return seeker.Seek(offset, whence)
}
