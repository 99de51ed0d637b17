// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Dial connects to an address in the laboratory's network: the node, a pod, a
// loopback port of a daemon. The host must be an IP address.
func (c *Cluster) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return c.namespaces.dial(ctx, network, address)
}

// Listen listens on an address in the laboratory's network. The host must be an
// IP address; the caller closes the listener.
func (c *Cluster) Listen(ctx context.Context, address string) (listener net.Listener, err error) {
	err = onThread(func() error {
		if err := setns(c.namespaces.net(), unix.CLONE_NEWNET); err != nil {
			return err
		}
		listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", address)
		return err
	})
	return listener, err
}

// Forward makes a TCP address of the laboratory reachable from the machine: it
// listens on the machine's loopback, on a free port, until Down. It returns the
// address it listens on.
func (c *Cluster) Forward(ctx context.Context, address string) (string, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	c.mu.Lock()
	c.forwarded = append(c.forwarded, listener)
	c.mu.Unlock()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // closed by Down
			}
			go c.relay(conn, address)
		}
	}()
	return listener.Addr().String(), nil
}

// relay copies both ways until both sides are done.
func (c *Cluster) relay(outside net.Conn, address string) {
	defer outside.Close()
	inside, err := c.Dial(context.Background(), "tcp", address)
	if err != nil {
		c.printf("lab: forward to %s: %v", address, err)
		return
	}
	defer inside.Close()
	var wg sync.WaitGroup
	for _, way := range [][2]net.Conn{{outside, inside}, {inside, outside}} {
		wg.Go(func() {
			// An error means that one side is gone: there is nobody to tell.
			_, _ = io.Copy(way[0], way[1])
			if tcp, ok := way[0].(*net.TCPConn); ok {
				_ = tcp.CloseWrite()
			}
		})
	}
	wg.Wait()
}

func (c *Cluster) closeForwards() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, listener := range c.forwarded {
		errs = append(errs, listener.Close())
	}
	c.forwarded = nil
	return errors.Join(errs...)
}

// HostKubeconfig forwards the API server to the machine's loopback and returns the
// path of a kubeconfig for it: a kubectl outside the laboratory can use it until
// Down.
func (c *Cluster) HostKubeconfig(ctx context.Context) (string, error) {
	address, err := c.Forward(ctx, apiAddress)
	if err != nil {
		return "", fmt.Errorf("forward the API server: %w", err)
	}
	path := c.path("kubeconfig")
	return path, os.WriteFile(path, []byte(text(c.kubeconfig("https://"+address, c.tokens.admin))), 0o600)
}
