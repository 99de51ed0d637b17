// SPDX-License-Identifier: Apache-2.0

package delegate

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/containerd/errdefs"
	"github.com/containerd/log"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/cgroup"
)

const (
	// maxMessage is the largest message of CRI's (k8s.io/cri-client, maxMsgSize).
	maxMessage = 16 << 20
	// redialDelay bounds the wait for another try to connect: a unix socket is
	// there or not.
	redialDelay = 500 * time.Millisecond
	// firstAnswer is how long the daemon's start waits for the upstream runtime.
	firstAnswer = 5 * time.Second
)

// Options say what is upstream.
type Options struct {
	// Endpoint is the path of the runtime's CRI socket.
	Endpoint string
	// LastKnown is how long the upstream runtime's pods are shown as they were last
	// seen while it does not answer.
	LastKnown time.Duration
	// CgroupDriver is the one that Wazelet uses. The kubelet has one for all pods.
	CgroupDriver cgroup.Driver
}

// Upstream is the runtime that pods of other handlers are handed to, and what is
// known of it. It is safe for concurrent use.
type Upstream struct {
	endpoint  string
	lastKnown time.Duration
	driver    runtimeapi.CgroupDriver

	conn    *grpc.ClientConn
	runtime runtimeapi.RuntimeServiceClient
	images  runtimeapi.ImageServiceClient
	mirror  *mirror
	health  health
	looked  atomic.Pointer[func(context.Context)] // called after each look at all lists

	stop    context.CancelFunc
	watched sync.WaitGroup
}

// Dial prepares the connection to the upstream runtime. It need not be there.
func Dial(o Options) (*Upstream, error) {
	conn, err := grpc.NewClient("unix://"+o.Endpoint,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage), grpc.MaxCallSendMsgSize(maxMessage)),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: redialDelay / 5, Multiplier: 1.6, MaxDelay: redialDelay},
			MinConnectTimeout: redialDelay,
		}),
		grpc.WithIdleTimeout(0), grpc.WithDisableRetry(), grpc.WithDisableServiceConfig())
	if err != nil {
		return nil, fmt.Errorf("upstream runtime %s: %w", o.Endpoint, err)
	}
	return &Upstream{
		endpoint: o.Endpoint, lastKnown: o.LastKnown, driver: driverOf(o.CgroupDriver),
		conn: conn, runtime: runtimeapi.NewRuntimeServiceClient(conn), images: runtimeapi.NewImageServiceClient(conn),
		mirror: newMirror(), health: newHealth(),
	}, nil
}

// Start asks the upstream runtime what it has, and goes on to watch over it until
// Close. One that is not there yet is waited for in the background. One that has
// another cgroup driver is ErrFailedPrecondition: the kubelet has one for all pods.
func (u *Upstream) Start(ctx context.Context) error {
	first, cancel := context.WithTimeout(ctx, firstAnswer)
	err := u.refresh(first)
	cancel()
	switch {
	case errdefs.IsFailedPrecondition(err):
		return err
	case err != nil:
		log.G(ctx).WithError(err).WithField("endpoint", u.endpoint).Warn("the upstream runtime is not there; its pods cannot be listed until it is")
		u.health.lost(u.describe(err), false)
	default:
		u.health.found()
	}
	ctx, u.stop = context.WithCancel(context.WithoutCancel(ctx))
	u.watched.Go(func() { u.watch(ctx) })
	return nil
}

// Close ends the connection. The upstream runtime and its pods go on.
func (u *Upstream) Close() error {
	if u.stop != nil {
		u.stop()
	}
	u.watched.Wait()
	return u.conn.Close()
}

// checkDriver compares the upstream runtime's cgroup driver with Wazelet's. One
// that does not tell (before CRI 1.28) is taken to agree, as the kubelet does.
func (u *Upstream) checkDriver(ctx context.Context) error {
	config, err := u.runtime.RuntimeConfig(ctx, &runtimeapi.RuntimeConfigRequest{})
	if isUnimplemented(err) || err == nil && config.GetLinux() == nil {
		return nil
	}
	if err != nil {
		return err
	}
	if theirs := config.GetLinux().GetCgroupDriver(); theirs != u.driver {
		return fmt.Errorf("upstream runtime %s has the cgroup driver %s and wazelet has %s, but the kubelet uses one for all pods: set cgroup.driver to the same: %w",
			u.endpoint, nameOf(theirs), nameOf(u.driver), errdefs.ErrFailedPrecondition)
	}
	return nil
}

func driverOf(d cgroup.Driver) runtimeapi.CgroupDriver {
	if d == cgroup.Systemd {
		return runtimeapi.CgroupDriver_SYSTEMD
	}
	return runtimeapi.CgroupDriver_CGROUPFS
}

func nameOf(d runtimeapi.CgroupDriver) cgroup.Driver {
	if d == runtimeapi.CgroupDriver_SYSTEMD {
		return cgroup.Systemd
	}
	return cgroup.Cgroupfs
}

// imagesChanged has the list of images read anew, before anybody asks for it.
func (u *Upstream) imagesChanged() {
	ctx, cancel := context.WithTimeout(context.Background(), readPatience)
	defer cancel()
	_, _ = u.mirror.listImages(u.images.ListImages)(ctx, &runtimeapi.ListImagesRequest{}) // the next list tells
}
