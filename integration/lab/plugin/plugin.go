// SPDX-License-Identifier: Apache-2.0

// Package plugin has the parts that stand beside a kubelet on a real node: a
// device plugin and a CSI driver's node service. They are small, and speak to an
// unmodified kubelet in its own protocols.
package plugin

import (
	"errors"
	"net"
	"os"

	"google.golang.org/grpc"
)

// server is a gRPC server on a unix socket.
type server struct {
	grpc   *grpc.Server
	socket string
	ended  chan error
}

// serve starts a server; close ends it.
func serve(socket string, register func(grpc.ServiceRegistrar)) (*server, error) {
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		return nil, err
	}
	s := &server{grpc: grpc.NewServer(), socket: socket, ended: make(chan error, 1)}
	register(s.grpc)
	go func() { s.ended <- s.grpc.Serve(l) }()
	return s, nil
}

// close ends the server with its calls and takes its socket away.
func (s *server) close() error {
	s.grpc.Stop()
	err := <-s.ended
	if removed := os.Remove(s.socket); !errors.Is(removed, os.ErrNotExist) {
		err = errors.Join(err, removed)
	}
	return err
}
