// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/containerd/log"
	"google.golang.org/grpc"

	"github.com/wazelet/wazelet/cmd/version"
	"github.com/wazelet/wazelet/config"
	"github.com/wazelet/wazelet/cri"
	"github.com/wazelet/wazelet/observe"
	"github.com/wazelet/wazelet/observe/otlp"
)

const (
	// scrapeTimeout bounds a request for the metrics.
	scrapeTimeout = 10 * time.Second
	// flushTimeout is how long the daemon's end may wait for a collector.
	flushTimeout = 3 * time.Second
)

// startObserving starts what the configuration turns on: metrics and traces. It
// returns what the gRPC server needs for it, and how it ends.
func startObserving(ctx context.Context, c config.Config) (options []grpc.ServerOption, stop func(), err error) {
	observe.Build(version.String(), version.Revision())
	stopMetrics, err := serveMetrics(ctx, c.Metrics)
	if err != nil {
		return nil, nil, err
	}
	if c.Tracing.Endpoint == "" {
		return nil, stopMetrics, nil
	}
	node, err := os.Hostname()
	if err != nil {
		stopMetrics()
		return nil, nil, err
	}
	stopTracing, err := otlp.Start(ctx, otlp.Options{
		Endpoint: c.Tracing.Endpoint, PerMillion: c.Tracing.SamplingRatePerMillion, Version: version.String(), Node: node,
	})
	if err != nil {
		stopMetrics()
		return nil, nil, err
	}
	return []grpc.ServerOption{cri.Tracing()}, func() {
		flush, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
		defer cancel()
		if err := stopTracing(flush); err != nil {
			log.G(ctx).WithError(err).Warn("the last spans are lost")
		}
		stopMetrics()
	}, nil
}

// serveMetrics serves /metrics where the configuration says.
func serveMetrics(ctx context.Context, c config.Metrics) (stop func(), err error) {
	if c.Address == "" {
		return func() {}, nil
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", c.Address)
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	routes := http.NewServeMux()
	routes.Handle("GET /metrics", observe.Handler())
	server := &http.Server{Handler: routes, ReadTimeout: scrapeTimeout, WriteTimeout: scrapeTimeout, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.G(ctx).WithError(err).Error("metrics are no longer served")
		}
	}()
	log.G(ctx).WithField("address", listener.Addr().String()).Info("metrics are served")
	return func() {
		if err := server.Close(); err != nil {
			log.G(ctx).WithError(err).Warn("metrics: close")
		}
		<-ended
	}, nil
}
