// SPDX-License-Identifier: Apache-2.0

package imageservice

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Different images that share a layer fetch and unpack it once.
func TestSharedLayerIsFetchedOnce(t *testing.T) {
	h := newHub(t)
	unpacked := archive(t, file{name: "hello.wasm", body: noise(1 << 20)})
	shared := rawLayer(t, compressGzip(t, unpacked), unpacked, types.OCILayer)
	digest, err := shared.Digest()
	if err != nil {
		t.Fatal(err)
	}
	const images = 4
	for i := range images {
		h.push(t, fmt.Sprintf("app:%d", i), filesImage(t, nil, shared, gzipLayer(t, file{name: "own", body: fmt.Sprint(i)})))
	}
	s := newService(t, nil)
	var wg sync.WaitGroup
	for i := range images {
		wg.Go(func() {
			if _, err := s.Pull(t.Context(), h.ref(fmt.Sprintf("app:%d", i)), nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := h.gets("/blobs/" + digest.String()); n != 1 {
		t.Errorf("the shared layer was fetched %d times", n)
	}
	if n := layerDirs(t, s.opts.Root); n != 1+images {
		t.Errorf("%d layers", n)
	}
	if len(s.busy.held) != 0 {
		t.Errorf("%d locks kept", len(s.busy.held))
	}
}

func TestWaitForALockEndsWithTheContext(t *testing.T) {
	var l locks
	unlock, err := l.lock(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	cancel(cause)
	if _, err := l.lock(ctx, "a"); !errors.Is(err, cause) {
		t.Errorf("error = %v", err)
	}
	if other, err := l.lock(ctx, "b"); err != nil {
		t.Errorf("another key: %v", err)
	} else {
		other()
	}
	unlock()
	if again, err := l.lock(t.Context(), "a"); err != nil {
		t.Error(err)
	} else {
		again()
	}
	if len(l.held) != 0 {
		t.Errorf("%d locks kept", len(l.held))
	}
}
