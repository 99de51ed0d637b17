// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"io"
	"os/signal"
	"time"

	"github.com/containerd/log"
	systemd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"

	"github.com/wazelet/wazelet/cmd/version"
	"github.com/wazelet/wazelet/cmd/wazelet/daemon"
	"github.com/wazelet/wazelet/config"
	"github.com/wazelet/wazelet/cri"
)

// stopTimeout is how long calls that are under way may go on when the daemon
// is told to stop. Most end at once; a pull can be taken up again later.
const stopTimeout = 10 * time.Second

// newServe makes `wazelet serve`.
func newServe(load loader) *cobra.Command {
	return &cobra.Command{
		Use: "serve", Short: "Run the node daemon", Args: cobra.NoArgs,
		Long: "Serve CRI to the kubelet on the socket that the configuration names. SIGTERM\nends the daemon; pods keep running, and the next daemon finds them.",
		RunE: func(c *cobra.Command, _ []string) error {
			inForce, err := load()
			if err != nil {
				return err
			}
			if err := startLog(inForce.Log, c.ErrOrStderr()); err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(c.Context(), unix.SIGTERM, unix.SIGINT)
			defer stop()
			return serve(ctx, inForce)
		},
	}
}

// startLog sends the daemon's log where the configuration wants it.
func startLog(c config.Log, w io.Writer) error {
	if err := log.SetLevel(c.Level); err != nil {
		return err
	}
	logrus.SetOutput(w)
	return log.SetFormat(log.OutputFormat(c.Format))
}

// serve runs the daemon until the context ends. The socket is there before
// anything else, so that a kubelet that starts at the same time waits instead
// of giving up; until the node's pods are found again it is told so.
func serve(ctx context.Context, c config.Config) (err error) {
	relaxTimers()
	relaxCollector()
	started := time.Now()
	lock, err := daemon.Acquire(c.Root)
	if err != nil {
		return err
	}
	defer lock.Release() //nolint:errcheck // the kernel releases it with the process at the latest
	listener, err := daemon.Listen(ctx, c.GRPC.Address)
	if err != nil {
		return err
	}
	defer listener.Close() // no harm when the server has closed it
	options, stop, err := startObserving(ctx, c)
	if err != nil {
		return err
	}
	defer stop()
	busy := newProcessors()
	defer busy.end()
	ready := busy.begin()
	n, err := newNode(ctx, c, busy.begin)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.close()) }()
	endpoint := n.endpoint(c)
	defer endpoint.Close()
	options = append(options, cri.Interceptors(n.whyNotReady, busy.begin)...)
	if n.upstream != nil {
		options = append(options, grpc.UnknownServiceHandler(n.upstream.PassUnknown))
	}
	options = append(options, grpc.NumStreamWorkers(callWorkers))
	server := grpc.NewServer(options...)
	endpoint.Register(server)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	defer stopServer(ctx, server)
	defer n.containers.EndSubscriptions() // a stream of events never ends by itself

	if err := n.recover(ctx); err != nil {
		return err
	}
	ready()
	tell(ctx, systemd.SdNotifyReady)
	log.G(ctx).WithFields(log.Fields{
		"address": c.GRPC.Address, "version": version.String(), "duration": time.Since(started).String(),
		"sandboxes": len(n.sandboxes.List()), "containers": len(n.containers.List()),
	}).Info("wazelet is ready")

	select {
	case err := <-served:
		return err
	case <-ctx.Done():
		log.G(ctx).Info("wazelet stops; pods keep running")
		tell(ctx, systemd.SdNotifyStopping)
		return nil
	}
}

// stopServer takes no more calls, lets those under way end, and then ends them.
func stopServer(ctx context.Context, server *grpc.Server) {
	late := time.AfterFunc(stopTimeout, func() {
		log.G(ctx).Warn("calls under way are cancelled")
		server.Stop()
	})
	server.GracefulStop()
	late.Stop()
}

// tell tells systemd, if it has started us, how we are.
func tell(ctx context.Context, state string) {
	if _, err := systemd.SdNotify(false, state); err != nil {
		log.G(ctx).WithError(err).Warn("systemd was not told about " + state)
	}
}
