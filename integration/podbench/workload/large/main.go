// SPDX-License-Identifier: Apache-2.0

// Command large is a web server with much linked in, as large programs have: a
// gRPC server, a registry's client and server, metrics and traces. What it
// answers is metrics of its own.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"text/template"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"google.golang.org/grpc"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

type services struct {
	runtimeapi.UnimplementedRuntimeServiceServer
	runtimeapi.UnimplementedImageServiceServer
}

func main() {
	server := grpc.NewServer()
	runtimeapi.RegisterRuntimeServiceServer(server, services{})
	runtimeapi.RegisterImageServiceServer(server, services{})
	http.Handle("/v2/", registry.New())
	http.Handle("/grpc/", server)
	http.Handle("/metrics", promhttp.Handler())
	// Templates call methods by name, so the linker keeps every exported one.
	page := template.Must(template.New("page").Parse("hello {{.}}\n"))
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { _ = page.Execute(w, r.URL.Path) })
	http.HandleFunc("/trace", func(w http.ResponseWriter, r *http.Request) {
		_, err := otlptracegrpc.New(context.WithoutCancel(r.Context()))
		fmt.Fprintln(w, err)
	})
	l, err := listen()
	if err == nil {
		err = http.Serve(l, nil)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
