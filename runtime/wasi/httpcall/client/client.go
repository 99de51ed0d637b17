// SPDX-License-Identifier: Apache-2.0

// Package client makes the requests of package httpcall with net/http. It is linked only by the
// worker of containers that may make some: every other pod would pay for TLS.
package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/wazelet/wazelet/runtime/wasi/httpcall"
	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// Bounds of a client.
const (
	maxHeader    = 64 << 10 // bytes of a response's header; the guests' libraries have room for no more
	maxRedirects = 10
	maxIdle      = 8 // connections kept for the next request
	idleTime     = 15 * time.Second
)

// rootsVariables are where a container says which certificates it trusts, as OpenSSL and Go know them.
// crypto/x509 takes them from the process's environment, and knows the usual places without them.
var rootsVariables = []string{"SSL_CERT_FILE", "SSL_CERT_DIR"}

// Client implements httpcall.Client.
type Client struct {
	timeout   time.Duration
	transport *http.Transport
}

// New makes the process's client: a httpcall.NewClient. Files are read, and names resolved, inside the
// root that the process has when the first request is made.
func New(o spec.Outbound, env []string) httpcall.Client {
	for _, kv := range env {
		if name, value, _ := strings.Cut(kv, "="); slices.Contains(rootsVariables, name) {
			_ = os.Setenv(name, value) // it fails for a NUL byte only, which no guest starts with either
		}
	}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	dialer := &net.Dialer{Timeout: o.Timeout, Resolver: &net.Resolver{PreferGo: true}}
	return &Client{timeout: o.Timeout, transport: &http.Transport{
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    o.Timeout,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		DisableCompression:     true, // the guest sees what was sent
		MaxResponseHeaderBytes: maxHeader,
		MaxIdleConns:           maxIdle,
		IdleConnTimeout:        idleTime,
		Protocols:              &protocols,
	}}
}

// Do makes a request; see httpcall.Client. Nothing of it is logged here.
func (c *Client) Do(ctx context.Context, r *httpcall.Request, allowed func(*url.URL) bool) (*httpcall.Response, error) {
	// The body outlives the caller's context.
	waits := ctx
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(waits))
	defer context.AfterFunc(waits, func() { cancel(context.Cause(waits)) })()
	watch := time.AfterFunc(c.timeout, func() { cancel(fmt.Errorf("no answer within %s", c.timeout)) })
	defer watch.Stop()
	request, err := newRequest(ctx, r)
	if err != nil {
		cancel(nil)
		return nil, err
	}
	asker := http.Client{Transport: c.transport, CheckRedirect: func(next *http.Request, before []*http.Request) error {
		switch {
		case !allowed(next.URL):
			return fmt.Errorf("%w: %s", httpcall.ErrNotAllowed, next.URL.Redacted())
		case len(before) >= maxRedirects:
			return fmt.Errorf("more than %d redirects", maxRedirects)
		}
		return nil
	}}
	response, err := asker.Do(request) //nolint:bodyclose // the guest closes it, or its end does
	if err != nil {
		err = reason(ctx, err)
		cancel(nil)
		return nil, err
	}
	return &httpcall.Response{
		Status: response.StatusCode, Header: fields(response.Header),
		Body: newBody(ctx, cancel, response.Body, c.timeout),
	}, nil
}

// newRequest is r as net/http knows it. The body is a copy that nobody else changes.
func newRequest(ctx context.Context, r *httpcall.Request) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, r.Method, r.URL.String(), bytes.NewReader(r.Body))
	if err != nil {
		return nil, err
	}
	// Where the guest does not say so itself, nobody says which program this is.
	request.Header.Set("User-Agent", "")
	request.Header.Set("Accept", "*/*")
	for _, f := range r.Header {
		if strings.EqualFold(f.Name, "Host") {
			request.Host = f.Value
			continue
		}
		request.Header.Set(f.Name, f.Value)
	}
	return request, nil
}

// reason is why a request failed, without the method and the URL that net/http repeats.
func reason(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

// fields are a header's, sorted by name; the values of one name are in their order.
func fields(header http.Header) []httpcall.Field {
	var list []httpcall.Field
	for name, values := range header {
		for _, value := range values {
			list = append(list, httpcall.Field{Name: strings.ToLower(name), Value: value})
		}
	}
	slices.SortStableFunc(list, func(a, b httpcall.Field) int { return strings.Compare(a.Name, b.Name) })
	return list
}
