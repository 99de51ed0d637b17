// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"fmt"
	"os"
	"path/filepath"
	goruntime "runtime"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/proto"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

func TestInterfaceUsageTellsTheMainInterfaceFromTheOthers(t *testing.T) {
	link := func(name string, rx, tx uint64) *netlink.LinkAttrs {
		return &netlink.LinkAttrs{Name: name, Statistics: &netlink.LinkStatistics{RxBytes: rx, RxErrors: 1, TxBytes: tx, TxErrors: 2}}
	}
	usage := func(name string, rx, tx uint64) *runtimeapi.NetworkInterfaceUsage {
		return &runtimeapi.NetworkInterfaceUsage{
			Name: name, RxBytes: counter(rx), RxErrors: counter(1), TxBytes: counter(tx), TxErrors: counter(2),
		}
	}
	got := interfaceUsage([]*netlink.LinkAttrs{
		link("net1", 3, 4), link("eth0", 1, 2),
	}, time.Unix(5, 0))
	want := &runtimeapi.NetworkUsage{
		Timestamp: 5_000000000, DefaultInterface: usage("eth0", 1, 2),
		Interfaces: []*runtimeapi.NetworkInterfaceUsage{usage("net1", 3, 4)},
	}
	if !proto.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	// The kubelet reads the main interface without looking whether there is one.
	if got := interfaceUsage([]*netlink.LinkAttrs{link("net1", 3, 4)}, time.Unix(5, 0)); got.GetDefaultInterface().GetName() != "net1" || got.GetInterfaces() != nil {
		t.Errorf("an only interface: %v", got)
	}
	if got := interfaceUsage(nil, time.Unix(5, 0)); got != nil {
		t.Errorf("no interface: %v", got)
	}
}

// TestNetworkUsageReadsTheCountersOfANamespace counts a real frame in a network
// namespace of its own.
func TestNetworkUsageReadsTheCountersOfANamespace(t *testing.T) {
	path := namespaceWithTraffic(t, 100)
	before, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	defer before.Close()
	links, err := networkInterfaces(path)
	if err != nil {
		t.Fatal(err)
	}
	got := interfaceUsage(links, time.Now())
	if got.GetTimestamp() <= 0 {
		t.Errorf("timestamp %d", got.GetTimestamp())
	}
	if d := got.GetDefaultInterface(); d.GetName() != "eth0" || d.GetTxBytes().GetValue() < 100 {
		t.Errorf("default interface %v, want eth0 with 100 bytes sent or more", d)
	}
	if o := got.GetInterfaces(); len(o) != 1 || o[0].GetName() != "net1" || o[0].GetRxBytes().GetValue() < 100 {
		t.Errorf("other interfaces %v, want net1 with 100 bytes received or more", o)
	}
	after, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	defer after.Close()
	if !before.Equal(after) {
		t.Error("the thread was left in the other namespace")
	}
}

func TestNetworkUsageOfAnAbsentNamespaceIsAnError(t *testing.T) {
	if _, err := networkInterfaces(filepath.Join(t.TempDir(), "gone")); err == nil {
		t.Error("no error")
	}
}

// namespaceWithTraffic makes a network namespace in which a frame of so many
// bytes has gone from eth0 to net1, and gives its path. It lives as long as the
// test.
func namespaceWithTraffic(t *testing.T, size int) string {
	t.Helper()
	var ns *os.File
	done := make(chan error)
	go func() {
		goruntime.LockOSThread() // never unlocked: the thread ends with the goroutine
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			err = sendFrame(size)
		}
		if err == nil {
			ns, err = os.Open(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()))
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ns.Close() })
	return fmt.Sprintf("/proc/self/fd/%d", ns.Fd())
}

// sendFrame joins eth0 and net1 by a cable and sends one frame through it.
func sendFrame(size int) error {
	cable := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth0"}, PeerName: "net1"}
	if err := netlink.LinkAdd(cable); err != nil {
		return fmt.Errorf("add veth: %w", err)
	}
	for _, name := range []string{"net1", "eth0"} {
		link, err := netlink.LinkByName(name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := netlink.LinkSetUp(link); err != nil {
			return fmt.Errorf("%s: up: %w", name, err)
		}
	}
	eth0, err := netlink.LinkByName("eth0")
	if err != nil {
		return err
	}
	socket, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("packet socket: %w", err)
	}
	defer unix.Close(socket)
	frame := make([]byte, size)
	frame[12], frame[13] = 0x88, 0xb5 // an EtherType for experiments
	return unix.Sendto(socket, frame, 0, &unix.SockaddrLinklayer{Ifindex: eth0.Attrs().Index})
}
