// SPDX-License-Identifier: Apache-2.0

package runtime_test

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/sdk/trace"
)

// steps is an exporter that keeps how long each step of a start took.
type steps struct {
	mu   sync.Mutex
	took map[string][]time.Duration
}

func (s *steps) ExportSpans(_ context.Context, spans []trace.ReadOnlySpan) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, span := range spans {
		s.took[span.Name()] = append(s.took[span.Name()], span.EndTime().Sub(span.StartTime()))
	}
	return nil
}

func (s *steps) Shutdown(context.Context) error { return nil }

// traced reports the median of each step that begins before the function it returns
// is called (observe.Step).
func traced(b *testing.B) (report func()) {
	b.Helper()
	s := &steps{took: map[string][]time.Duration{}}
	provider := trace.NewTracerProvider(trace.WithSyncer(s))
	before := otel.GetTracerProvider()
	otel.SetTracerProvider(provider)
	return func() {
		otel.SetTracerProvider(before)
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, name := range slices.Sorted(maps.Keys(s.took)) {
			b.ReportMetric(median(s.took[name]).Seconds()*1e3, name+"-ms")
		}
	}
}

func median[T cmp.Ordered](all []T) T {
	slices.Sort(all)
	return all[len(all)/2]
}
