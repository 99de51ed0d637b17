// SPDX-License-Identifier: Apache-2.0

package imageservice

import (
	"reflect"
	goruntime "runtime"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// newService opens a service over a new directory; it is closed with the test.
func newService(t *testing.T, edit func(*Options)) *Service {
	t.Helper()
	opts := Options{Root: t.TempDir()}
	if edit != nil {
		edit(&opts)
	}
	return openService(t, opts)
}

func openService(t *testing.T, opts Options) *Service {
	t.Helper()
	s, err := New(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// reopen opens the store of a closed service again.
func reopen(t *testing.T, s *Service) *Service {
	t.Helper()
	return openService(t, s.opts)
}

func mustPull(t *testing.T, s *Service, ref string) Image {
	t.Helper()
	image, err := s.Pull(t.Context(), ref, nil)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// drain waits until the requests made so far are served.
func (c *collector) drain(t *testing.T) {
	t.Helper()
	if err := c.collect(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// awaitCallers returns when that many callers wait for pulls.
func (f *flights) awaitCallers(n int) {
	for {
		f.mu.Lock()
		waiting := 0
		for _, fl := range f.joined {
			waiting += fl.waiting
		}
		f.mu.Unlock()
		if waiting >= n {
			return
		}
		goruntime.Gosched()
	}
}

func equalImages(a, b []Image) bool { return reflect.DeepEqual(a, b) }

func emptyIndex() v1.ImageIndex { return mutate.IndexMediaType(empty.Index, types.OCIImageIndex) }
