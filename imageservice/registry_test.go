// SPDX-License-Identifier: Apache-2.0

package imageservice

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// hub is a real registry on the loopback. A test may put a handler in front of it.
type hub struct {
	host    string
	server  *httptest.Server
	backend http.Handler

	mu     sync.Mutex
	before func(http.ResponseWriter, *http.Request) (handled bool)
	counts map[string]int // GET requests by path
}

func newHub(t *testing.T) *hub {
	t.Helper()
	h := &hub{
		counts:  make(map[string]int),
		backend: registry.New(registry.Logger(log.New(io.Discard, "", 0))),
	}
	h.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		before := h.before
		if r.Method == http.MethodGet {
			h.counts[r.URL.Path]++
		}
		h.mu.Unlock()
		if before != nil && before(w, r) {
			return
		}
		h.backend.ServeHTTP(w, r)
	}))
	h.host = strings.TrimPrefix(h.server.URL, "http://")
	t.Cleanup(h.server.Close)
	return h
}

// intercept puts a handler in front of the registry, or takes it away with nil.
func (h *hub) intercept(before func(http.ResponseWriter, *http.Request) bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.before = before
}

// gets returns how often the paths that contain part were read.
func (h *hub) gets(part string) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for path, count := range h.counts {
		if strings.Contains(path, part) {
			n += count
		}
	}
	return n
}

// ref returns the reference of a repository and tag in the hub.
func (h *hub) ref(repository string) string { return h.host + "/" + repository }

// push uploads an image and returns its digest.
func (h *hub) push(t *testing.T, repository string, image v1.Image) string {
	t.Helper()
	ref, err := name.ParseReference(h.ref(repository), name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, image, remote.WithTransport(h.client(t))); err != nil {
		t.Fatal(err)
	}
	digest, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return digest.String()
}

func (h *hub) pushIndex(t *testing.T, repository string, index v1.ImageIndex) string {
	t.Helper()
	ref, err := name.ParseReference(h.ref(repository), name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteIndex(ref, index, remote.WithTransport(h.client(t))); err != nil {
		t.Fatal(err)
	}
	digest, err := index.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return digest.String()
}

// client returns a transport whose connections end with the test.
func (h *hub) client(t *testing.T) http.RoundTripper {
	t.Helper()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}
