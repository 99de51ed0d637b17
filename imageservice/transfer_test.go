// SPDX-License-Identifier: Apache-2.0

package imageservice

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/opencontainers/go-digest"
)

// gate holds back requests for blobs until it is opened.
type gate struct {
	reached chan struct{} // one value per request held
	open    chan struct{}
}

func newGate(t *testing.T, h *hub) *gate {
	g := &gate{reached: make(chan struct{}, 100), open: make(chan struct{})}
	h.intercept(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/") {
			g.reached <- struct{}{}
			select {
			case <-g.open:
			case <-r.Context().Done():
			}
		}
		return false
	})
	t.Cleanup(func() { h.intercept(nil) })
	return g
}

func TestConcurrentPullsShareOneTransfer(t *testing.T) {
	h := newHub(t)
	h.push(t, "app:1", helloImage(t, "hi"))
	g := newGate(t, h)
	var prepared atomic.Int32
	s := newService(t, func(o *Options) {
		o.Prepare = func(context.Context, *Service, Image) (digest.Digest, error) { prepared.Add(1); return "", nil }
	})
	const callers = 8
	ids := make(chan string, callers)
	var wg sync.WaitGroup
	pull := func() {
		image, err := s.Pull(t.Context(), h.ref("app:1"), nil)
		if err != nil {
			t.Error(err)
		}
		ids <- image.ID
	}
	wg.Go(pull)
	<-g.reached
	for range callers - 1 {
		wg.Go(pull)
	}
	s.pulls.awaitCallers(callers)
	close(g.open)
	wg.Wait()
	close(ids)
	first := <-ids
	for id := range ids {
		if id != first || id == "" {
			t.Errorf("ids %s and %s", first, id)
		}
	}
	if n := h.gets("/blobs/"); n != 2 { // configuration and layer
		t.Errorf("%d blob requests, want 2", n)
	}
	if n := prepared.Load(); n != 1 {
		t.Errorf("prepared %d times", n)
	}
}

// One of two callers that gives up does not take the pull away from the other.
func TestOneCallerGivesUp(t *testing.T) {
	h := newHub(t)
	h.push(t, "app:1", helloImage(t, "hi"))
	g := newGate(t, h)
	s := newService(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() {
		_, err := s.Pull(ctx, h.ref("app:1"), nil)
		gone <- err
	}()
	<-g.reached
	stayed := make(chan error, 1)
	go func() {
		_, err := s.Pull(t.Context(), h.ref("app:1"), nil)
		stayed <- err
	}()
	s.pulls.awaitCallers(2)
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("caller that gave up: %v", err)
	}
	close(g.open)
	if err := <-stayed; err != nil {
		t.Errorf("caller that stayed: %v", err)
	}
}

func TestCancelledPullLeavesNothing(t *testing.T) {
	h := newHub(t)
	h.push(t, "app:1", filesImage(t, nil,
		gzipLayer(t, file{name: "hello.wasm", body: string(wasm)}), gzipLayer(t, file{name: "b", body: noise(1 << 20)})))
	s := newService(t, nil)

	for name, stop := range map[string]func() (context.Context, func()){
		"cancel":   func() (context.Context, func()) { return context.WithCancel(t.Context()) },
		"deadline": func() (context.Context, func()) { return context.WithTimeout(t.Context(), 100*time.Millisecond) },
	} {
		t.Run(name, func(t *testing.T) {
			g := newGate(t, h)
			ctx, cancel := stop()
			defer cancel()
			ended := make(chan error, 1)
			go func() {
				_, err := s.Pull(ctx, h.ref("app:1"), nil)
				ended <- err
			}()
			want := context.DeadlineExceeded
			if name == "cancel" {
				<-g.reached
				cancel()
				want = context.Canceled
			}
			if err := <-ended; !errors.Is(err, want) {
				t.Errorf("error = %v, want %v", err, want)
			}
			wantNothing(t, s)
		})
	}
}

// A pull in the middle of a body is cut off, not only one that waits for an answer.
func TestCancelInTheMiddleOfABlob(t *testing.T) {
	h := newHub(t)
	h.push(t, "app:1", filesImage(t, nil, gzipLayer(t, file{name: "b", body: noise(4 << 20)})))
	half := make(chan struct{})
	h.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, "/blobs/") {
			return false
		}
		body := h.stored(t, r)
		if len(body) < 1<<20 {
			return false
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body[:len(body)/2])
		_ = http.NewResponseController(w).Flush()
		close(half)
		<-r.Context().Done()
		return true
	})
	s := newService(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		<-half
		cancel()
	}()
	if _, err := s.Pull(ctx, h.ref("app:1"), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v", err)
	}
	wantNothing(t, s)
}

func TestStalledPullIsGivenUp(t *testing.T) {
	h := newHub(t)
	h.push(t, "app:1", filesImage(t, nil, gzipLayer(t, file{name: "b", body: noise(1 << 20)})))
	for name, where := range map[string]string{"answer": "/manifests/", "body": "/blobs/"} {
		t.Run(name, func(t *testing.T) {
			h.intercept(func(w http.ResponseWriter, r *http.Request) bool {
				if !strings.Contains(r.URL.Path, where) {
					return false
				}
				if name == "body" {
					body := h.stored(t, r)
					if len(body) < 1<<19 {
						return false
					}
					w.Header().Set("Content-Length", strconv.Itoa(len(body)))
					_, _ = w.Write(make([]byte, 1000))
					_ = http.NewResponseController(w).Flush()
				}
				<-r.Context().Done()
				return true
			})
			s := newService(t, func(o *Options) { o.PullProgressTimeout = 100 * time.Millisecond })
			_, err := s.Pull(t.Context(), h.ref("app:1"), nil)
			if !errdefs.IsUnavailable(err) || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("class of %v", err)
			}
			if err == nil || !strings.Contains(err.Error(), "sent no data for 100ms (image.progress_timeout)") {
				t.Errorf("error = %v", err)
			}
			wantNothing(t, s)
		})
	}
}

// What is slow but moves is not stalled.
func TestSlowPullIsNotStalled(t *testing.T) {
	h := newHub(t)
	h.push(t, "app:1", filesImage(t, nil, gzipLayer(t, file{name: "b", body: noise(1 << 20)})))
	h.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, "/blobs/") {
			return false
		}
		body := h.stored(t, r)
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		for i := range 8 {
			_, _ = w.Write(body[i*len(body)/8 : (i+1)*len(body)/8])
			_ = http.NewResponseController(w).Flush()
			time.Sleep(200 * time.Millisecond) // the slowness that is the subject
		}
		return true
	})
	s := newService(t, func(o *Options) { o.PullProgressTimeout = time.Second })
	mustPull(t, s, h.ref("app:1"))
}

func TestOtherBytesThanPromised(t *testing.T) {
	h := newHub(t)
	h.push(t, "app:1", filesImage(t, nil, gzipLayer(t, file{name: "b", body: noise(1 << 16)})))
	for name, test := range map[string]struct {
		change   func([]byte) []byte
		sentence string
		class    func(error) bool
	}{
		"changed":   {func(p []byte) []byte { p[len(p)/2] ^= 1; return p }, "sent other bytes for blob sha256:", errdefs.IsDataLoss},
		"too long":  {func(p []byte) []byte { return append(p, 0) }, "sent more bytes for blob sha256:", errdefs.IsDataLoss},
		"too short": {func(p []byte) []byte { return p[:len(p)-1] }, "blob sha256:", errdefs.IsDataLoss},
		"cut off":   {nil, "broke off the transfer", errdefs.IsUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			h.intercept(func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, "/blobs/") {
					return false
				}
				body := h.stored(t, r)
				if len(body) < 1<<15 {
					return false
				}
				if test.change == nil {
					w.Header().Set("Content-Length", strconv.Itoa(len(body)))
					return true // the connection ends before the body
				}
				_, _ = w.Write(test.change(body))
				return true
			})
			s := newService(t, nil)
			_, err := s.Pull(t.Context(), h.ref("app:1"), nil)
			if err == nil || !strings.Contains(err.Error(), test.sentence) {
				t.Errorf("%q does not say %q", err, test.sentence)
			}
			if !test.class(err) {
				t.Errorf("class of %v", err)
			}
			wantNothing(t, s)
		})
	}
}

// A connection that breaks in the middle is taken up where it stopped.
func TestInterruptedTransferGoesOn(t *testing.T) {
	h := newHub(t)
	h.push(t, "app:1", filesImage(t, nil, gzipLayer(t, file{name: "hello.wasm", body: noise(1 << 20)})))
	var broken, ranges atomic.Int32
	h.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, "/blobs/") {
			return false
		}
		body := h.stored(t, r)
		if len(body) < 1<<19 {
			return false
		}
		if from, ok := strings.CutPrefix(r.Header.Get("Range"), "bytes="); ok {
			offset, err := strconv.Atoi(strings.TrimSuffix(from, "-"))
			if err != nil || offset <= 0 || offset >= len(body) {
				t.Errorf("range %s", from)
				return false
			}
			ranges.Add(1)
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", offset, len(body)-1, len(body)))
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(body[offset:])
			return true
		}
		broken.Add(1)
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body[:len(body)/2])
		return true
	})
	s := newService(t, nil)
	mustPull(t, s, h.ref("app:1"))
	if broken.Load() != 1 || ranges.Load() != 1 {
		t.Errorf("%d broken transfers, %d taken up", broken.Load(), ranges.Load())
	}
}

func TestRedirectedBlobs(t *testing.T) {
	h := newHub(t)
	h.push(t, "app:1", helloImage(t, "hi"))
	var leaked atomic.Int32
	var challenge atomic.Bool
	cdn := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			leaked.Add(1)
		}
		if challenge.Load() {
			w.Header().Set("WWW-Authenticate", `Basic realm="give me"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		r.Header.Set("Authorization", basic) // what the registry behind asks for; the client must not have sent it
		h.server.Config.Handler.ServeHTTP(w, r)
	}))
	t.Cleanup(cdn.Close)
	h.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Authorization") != basic {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
		if strings.Contains(r.URL.Path, "/blobs/") && r.Host == h.host {
			http.Redirect(w, r, strings.Replace(cdn.URL, "127.0.0.1", "localhost", 1)+r.URL.Path, http.StatusTemporaryRedirect)
			return true
		}
		return false
	})
	s := newService(t, nil)
	if _, err := s.Pull(t.Context(), h.ref("app:1"), &Auth{Username: "user", Password: "pa55word"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(t.Context(), h.ref("app:1")); err != nil {
		t.Fatal(err)
	}
	challenge.Store(true)
	if _, err := s.Pull(t.Context(), h.ref("app:1"), &Auth{Username: "user", Password: "pa55word"}); !errdefs.IsUnauthorized(err) {
		t.Errorf("error = %v", err)
	}
	if leaked.Load() != 0 {
		t.Error("credentials were sent to the host redirected to")
	}
}

// A manifest never makes the node ask hosts of the manifest's choice.
func TestAddressesInManifestsAreNotFollowed(t *testing.T) {
	h := newHub(t)
	var asked atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	t.Cleanup(other.Close)
	a := moduleArtifact(t, wasm)
	a.manifest = []byte(strings.Replace(string(a.manifest), `"mediaType":"application/wasm"`,
		`"urls":["`+other.URL+`/x"],"mediaType":"application/wasm"`, 1))
	h.push(t, "app:1", a)
	s := newService(t, nil)
	mustPull(t, s, h.ref("app:1"))
	if asked.Load() != 0 {
		t.Error("the host named in the manifest was asked")
	}
}

func TestUnreachableRegistries(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused := listener.Addr().String()
	listener.Close()
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(secure.Close)
	secure.Config.ErrorLog = nil
	plain := newHub(t)
	status := func(code int, body string) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			_, _ = w.Write([]byte(body))
		}))
		t.Cleanup(server.Close)
		return strings.TrimPrefix(server.URL, "http://")
	}
	hosts := t.TempDir()
	configure := func(host, server string) string {
		dir := filepath.Join(hosts, strings.Replace(host, ":", "_", 1)+"_")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "hosts.toml"), []byte("server = \""+server+"\"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		return host
	}
	s := newService(t, func(o *Options) { o.HostsDir = hosts })
	for name, test := range map[string]struct {
		host, sentence string
		class          func(error) bool
	}{
		"refused":         {refused, "cannot be reached: connection refused", errdefs.IsUnavailable},
		"no such name":    {"registry.invalid", "cannot be reached: name registry.invalid not resolved", errdefs.IsUnavailable},
		"plain for https": {configure("plain.example:1", "https://"+plain.host), "speaks plain HTTP, not HTTPS: allow that with server = \"http://", errdefs.IsUnavailable},
		"https for plain": {configure("secure.example:1", "http://"+strings.TrimPrefix(secure.URL, "https://")), "if it speaks HTTPS, its hosts.toml must say so", errdefs.IsUnavailable},
		"unknown CA":      {configure("ca.example:1", secure.URL), "certificate of an unknown authority: name its CA as ca in " + hosts, errdefs.IsUnavailable},
		"forbidden":       {status(403, `{"errors":[{"code":"DENIED","message":"no entry\nfor you"}]}`), "denied access: denied: no entry for you", errdefs.IsPermissionDenied},
		"too many":        {status(429, ""), "too many requests", errdefs.IsUnavailable},
		"broken":          {status(500, ""), "answered 500 Internal Server Error", errdefs.IsUnavailable},
		"odd":             {status(418, ""), "answered 418", errdefs.IsUnknown},
		"absent":          {status(404, ""), "not found in registry", errdefs.IsNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.Pull(t.Context(), test.host+"/app:1", nil)
			if err == nil || !strings.Contains(err.Error(), test.sentence) {
				t.Errorf("%q does not say %q", err, test.sentence)
			}
			if !test.class(err) {
				t.Errorf("class of %v", err)
			}
			wantNothing(t, s)
		})
	}
}

// The blobs of an image that the registry lost are named.
func TestRegistryLacksABlob(t *testing.T) {
	h := newHub(t)
	h.push(t, "app:1", helloImage(t, "hi"))
	h.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, "/blobs/") {
			w.WriteHeader(http.StatusNotFound)
			return true
		}
		return false
	})
	s := newService(t, nil)
	_, err := s.Pull(t.Context(), h.ref("app:1"), nil)
	if !errdefs.IsNotFound(err) || !strings.Contains(err.Error(), "lacks blob sha256:") {
		t.Errorf("error = %v", err)
	}
}

// An answer that never ends is not read to its end.
func TestEndlessManifest(t *testing.T) {
	h := newHub(t)
	h.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
		w.Header().Set("Transfer-Encoding", "chunked")
		for r.Method == http.MethodGet && r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 1<<20)); err != nil {
				break
			}
		}
		return true
	})
	s := newService(t, nil)
	if _, err := s.Pull(t.Context(), h.ref("app:1"), nil); err == nil || !strings.Contains(err.Error(), "answer of more than") {
		t.Errorf("error = %v", err)
	}
	wantNothing(t, s)
}

func TestFailedPrepareFailsThePull(t *testing.T) {
	h := newHub(t)
	h.push(t, "app:1", helloImage(t, "hi"))
	h.push(t, "mod:1", moduleArtifact(t, wasm))
	cause := errors.New("import a.b is not known")
	s := newService(t, func(o *Options) {
		o.Prepare = func(ctx context.Context, s *Service, image Image) (digest.Digest, error) {
			open := func() (*os.File, error) { return s.OpenModule(ctx, image) }
			if image.Kind == KindFiles {
				open = func() (*os.File, error) {
					f, _, err := s.OpenEntry(ctx, image)
					return f, err
				}
			}
			f, err := open()
			if err != nil {
				t.Errorf("the image cannot be read while it is prepared: %v", err)
				return "", err
			}
			return "", errors.Join(f.Close(), cause)
		}
	})
	for _, ref := range []string{"app:1", "mod:1"} {
		_, err := s.Pull(t.Context(), h.ref(ref), nil)
		if !errors.Is(err, cause) || !strings.HasPrefix(err.Error(), "image "+h.ref(ref)+": ") {
			t.Errorf("error = %v", err)
		}
		wantNothing(t, s)
	}
}

// Closing the service ends its pulls.
func TestCloseCancelsPulls(t *testing.T) {
	h := newHub(t)
	h.push(t, "app:1", helloImage(t, "hi"))
	g := newGate(t, h)
	s := newService(t, nil)
	ended := make(chan error, 1)
	go func() {
		_, err := s.Pull(t.Context(), h.ref("app:1"), nil)
		ended <- err
	}()
	<-g.reached
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, errClosing) {
		t.Errorf("error = %v", err)
	}
	if _, err := s.Pull(t.Context(), h.ref("app:1"), nil); !errors.Is(err, errClosing) {
		t.Errorf("pull after close: %v", err)
	}
	wantNothing(t, reopen(t, s))
}

// stored returns the bytes of the blob that a request is for, as the registry has them.
func (h *hub) stored(t *testing.T, r *http.Request) []byte {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, r.URL.Path, nil)
	recorder := httptest.NewRecorder()
	h.backend.ServeHTTP(recorder, request)
	if recorder.Code != http.StatusOK {
		t.Errorf("blob %s: status %d", r.URL.Path, recorder.Code)
	}
	return recorder.Body.Bytes()
}

// noise is text that does not compress.
func noise(n int) string {
	var b strings.Builder
	for b.Len() < n {
		b.WriteString(rand.Text())
	}
	return b.String()[:n]
}

var _ v1.Image = artifact{}
