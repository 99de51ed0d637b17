// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Addresses of the laboratory's only node, of both families. Every laboratory has
// a network namespace of its own, so all of them use the same ones (TEST-NET-2,
// RFC 5737; documentation, RFC 3849).
const (
	nodeIP   = "198.51.100.10"
	nodeIPv6 = "2001:db8:51::10"
	gateway  = "198.51.100.1"
)

// namespaces are a network and a mount namespace, each pinned by a bind mount so
// that they live without a process and can be entered by path.
type namespaces struct {
	// dir holds the pins: net and mnt. It is a private mount of its own, as the
	// kernel refuses to pin a mount namespace where the pin would propagate.
	dir string
}

func (n namespaces) net() string { return filepath.Join(n.dir, "net") }
func (n namespaces) mnt() string { return filepath.Join(n.dir, "mnt") }

// create makes both namespaces and lets arrange finish the mount namespace from
// within.
func (n namespaces) create(arrange func() error) error {
	if err := os.MkdirAll(n.dir, 0o700); err != nil {
		return err
	}
	if err := unix.Mount(n.dir, n.dir, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind %s: %w", n.dir, err)
	}
	if err := unix.Mount("", n.dir, "", unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make %s private: %w", n.dir, err)
	}
	return onThread(func() error {
		if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS | unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("unshare: %w", err)
		}
		if err := n.pin(unix.Gettid()); err != nil {
			return err
		}
		if err := errors.Join(noAddressDetection(), loopbackUp(), nodeAddress()); err != nil {
			return err
		}
		return arrange()
	})
}

// pin binds the thread's namespaces to their files, from a thread outside: a
// mount namespace cannot hold a pin of itself.
func (n namespaces) pin(tid int) error {
	return onThread(func() error {
		for _, kind := range []string{"net", "mnt"} {
			target := filepath.Join(n.dir, kind)
			if err := os.WriteFile(target, nil, 0o600); err != nil {
				return err
			}
			source := fmt.Sprintf("/proc/%d/task/%d/ns/%s", os.Getpid(), tid, kind)
			if err := unix.Mount(source, target, "", unix.MS_BIND, ""); err != nil {
				return fmt.Errorf("pin %s: %w", target, err)
			}
		}
		return nil
	})
}

// enter moves the calling thread, which must be a throw-away one, into both
// namespaces.
func (n namespaces) enter() error {
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("unshare: %w", err)
	}
	if err := setns(n.net(), unix.CLONE_NEWNET); err != nil {
		return err
	}
	return setns(n.mnt(), unix.CLONE_NEWNS)
}

// dial connects from within the network namespace.
func (n namespaces) dial(ctx context.Context, network, address string) (net.Conn, error) {
	var conn net.Conn
	err := onThread(func() error {
		if err := setns(n.net(), unix.CLONE_NEWNET); err != nil {
			return err
		}
		// An address without a name: nothing but this thread takes part.
		var err error
		conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

// remove unpins both namespaces. The kernel takes them down with their mounts
// and interfaces once no process is left in them.
func (n namespaces) remove() error {
	var errs []error
	for _, target := range []string{n.net(), n.mnt(), n.dir} {
		errs = append(errs, unmount(target))
	}
	return errors.Join(append(errs, os.RemoveAll(n.dir))...)
}

// unmount lets go of what is mounted at target, if anything is: not so after a half-made
// create, which is EINVAL.
func unmount(target string) error {
	err := unix.Unmount(target, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
	if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("unmount %s: %w", target, err)
	}
	return nil
}

func loopbackUp() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("interface lo: %w", err)
	}
	return netlink.LinkSetUp(lo)
}

// noAddressDetection lets the addresses of interfaces to come be used at once. The
// kernel first asks for a second or two whether somebody has an IPv6 address
// already (RFC 4862), here of a bridge with nobody else on it. The bridge plugin
// adds its gateway with the first pod and does not wait: a connection to the pod
// would be given the only other source there is, ::1, and hang.
func noAddressDetection() error {
	return os.WriteFile("/proc/sys/net/ipv6/conf/default/accept_dad", []byte("0"), 0)
}

// nodeAddress gives the node an address of each family on a real interface, which
// the kubelet insists on, and a default route, which it derives its address from.
func nodeAddress() error {
	bridge := &netlink.Bridge{LinkAttrs: netlink.NewLinkAttrs()}
	bridge.Name = "node0"
	if err := netlink.LinkAdd(bridge); err != nil {
		return fmt.Errorf("add interface node0: %w", err)
	}
	for _, network := range []string{nodeIP + "/24", nodeIPv6 + "/64"} {
		address, err := netlink.ParseAddr(network)
		if err != nil {
			return err
		}
		if err := netlink.AddrAdd(bridge, address); err != nil {
			return fmt.Errorf("add %s to node0: %w", network, err)
		}
	}
	if err := netlink.LinkSetUp(bridge); err != nil {
		return fmt.Errorf("set node0 up: %w", err)
	}
	route := &netlink.Route{LinkIndex: bridge.Attrs().Index, Gw: net.ParseIP(gateway)}
	if err := netlink.RouteAdd(route); err != nil {
		return fmt.Errorf("add default route: %w", err)
	}
	return nil
}

// sameNamespace tells whether the process is in the namespace pinned at path.
func sameNamespace(pid int, kind, path string) bool {
	var a, b unix.Stat_t
	if unix.Stat(fmt.Sprintf("/proc/%d/ns/%s", pid, kind), &a) != nil || unix.Stat(path, &b) != nil {
		return false
	}
	return a.Dev == b.Dev && a.Ino == b.Ino
}
