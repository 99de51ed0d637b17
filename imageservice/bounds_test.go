// SPDX-License-Identifier: Apache-2.0

package imageservice

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

// Indexes in indexes are followed so deep and no deeper, and a refusal leaves nothing.
func TestNestedIndexes(t *testing.T) {
	h := newHub(t)
	platform := v1.Descriptor{Platform: &v1.Platform{OS: "wasi", Architecture: "wasm"}}
	index := mutate.AppendManifests(emptyIndex(), mutate.IndexAddendum{Add: helloImage(t, "hi"), Descriptor: platform})
	for range maxNesting - 1 {
		index = mutate.AppendManifests(emptyIndex(), mutate.IndexAddendum{Add: index, Descriptor: platform})
	}
	h.pushIndex(t, "deep:1", index)
	h.pushIndex(t, "deeper:1", mutate.AppendManifests(emptyIndex(), mutate.IndexAddendum{Add: index, Descriptor: platform}))
	s := newService(t, nil)
	_, err := s.Pull(t.Context(), h.ref("deeper:1"), nil)
	if err == nil || !strings.Contains(err.Error(), "its indexes are nested more than 3 deep") {
		t.Errorf("error = %v", err)
	}
	wantNothing(t, s)
	mustPull(t, s, h.ref("deep:1"))
}

// Layers of one pull are fetched side by side, as many as the options say.
func TestLayersAreFetchedSideBySide(t *testing.T) {
	h := newHub(t)
	var layers []layer
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		layers = append(layers, gzipLayer(t, file{name: name, body: noise(1 << 16)}))
	}
	h.push(t, "app:1", filesImage(t, nil, layers...))
	var mu sync.Mutex
	now, most := 0, 0
	full := make(chan struct{})
	h.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, "/blobs/") {
			return false
		}
		body := h.stored(t, r)
		if len(body) < 1<<15 { // the configuration
			return false
		}
		mu.Lock()
		if now++; now > most {
			most = now
		}
		if now == 2 {
			select {
			case <-full:
			default:
				close(full)
			}
		}
		mu.Unlock()
		<-full // one after the other would wait for ever
		_, _ = w.Write(body)
		mu.Lock()
		now--
		mu.Unlock()
		return true
	})
	s := newService(t, func(o *Options) { o.MaxConcurrentDownloads, o.PullProgressTimeout = 2, 20*time.Second })
	mustPull(t, s, h.ref("app:1"))
	if most < 2 || most > 3 { // the place of the unpacking one is free until a layer has come
		t.Errorf("%d layers at once", most)
	}
}

// An image is pinned by any of its names.
func TestPinnedImages(t *testing.T) {
	h := newHub(t)
	digest := h.push(t, "app:1", helloImage(t, "hi"))
	h.push(t, "other:1", helloImage(t, "other"))
	for _, name := range []string{h.ref("app:1"), h.ref("app@" + digest)} {
		s := newService(t, func(o *Options) { o.Pinned = []string{name, "not:a:name"} })
		pulled := mustPull(t, s, h.ref("app:1"))
		mustPull(t, s, h.ref("other:1"))
		list, err := s.List(t.Context())
		if err != nil || len(list) != 2 {
			t.Fatalf("%v, %v", list, err)
		}
		for _, image := range list {
			if image.Pinned != (image.ID == pulled.ID) {
				t.Errorf("by %s: %+v", name, image)
			}
		}
	}
}
