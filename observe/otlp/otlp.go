// SPDX-License-Identifier: Apache-2.0

// Package otlp sends the spans of package observe to a collector, by OTLP over
// gRPC. Only the daemon's main program sets it up.
package otlp

import (
	"context"
	"errors"
	"fmt"

	"github.com/containerd/log"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.39.0"
	"go.opentelemetry.io/otel/trace/noop"
)

// Options say where spans go and how many there are.
type Options struct {
	// Endpoint is the collector, "HOST:PORT", without TLS.
	Endpoint string
	// PerMillion is how many of a million calls that bring no decision with them
	// are traced. A client that traces decides for the calls it makes.
	PerMillion int
	// Version and Node name this daemon among others.
	Version, Node string
}

// Start begins to send spans. A collector that is not there costs nothing but
// the spans. The returned function sends what is left and ends it.
func Start(ctx context.Context, o Options) (stop func(context.Context) error, err error) {
	exporter, err := otlptracegrpc.New(ctx, otlptracegrpc.WithEndpoint(o.Endpoint), otlptracegrpc.WithInsecure())
	if err != nil {
		return nil, fmt.Errorf("tracing: %s: %w", o.Endpoint, err)
	}
	self := resource.NewSchemaless(semconv.ServiceName("wazelet"), semconv.ServiceVersion(o.Version), semconv.HostName(o.Node))
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter),
		sdktrace.WithResource(self),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(float64(o.PerMillion)/1e6))),
	)
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		log.G(ctx).WithError(err).Warn("spans are lost")
	}))
	otel.SetTextMapPropagator(propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}))
	otel.SetTracerProvider(provider)
	return func(ctx context.Context) error {
		otel.SetTracerProvider(noop.NewTracerProvider())
		return errors.Join(provider.Shutdown(ctx), exporter.Shutdown(ctx))
	}, nil
}
