// SPDX-License-Identifier: Apache-2.0

package wasi_test

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/wazelet/wazelet/runtime/wasi"
	"github.com/wazelet/wazelet/runtime/wasi/internal/wasitest"
)

// nameServer makes lookups of this test ask a server that answers nothing until answer says so.
func nameServer(t *testing.T) net.PacketConn {
	t.Helper()
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	wasi.ResolveWith(func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", server.LocalAddr().String())
	})
	t.Cleanup(func() { wasi.ResolveWith(nil) })
	return server
}

func TestLookupsEndWithTheGuest(t *testing.T) {
	nameServer(t)
	s := wasitest.New(t, wasi.Options{})
	done := make(chan error)
	go func() {
		_, err := s.LookupHost("ip4", "silent.example.")
		done <- err
	}()
	wasitest.AwaitSleep(t, s)
	s.Interrupt(1)
	if err := <-done; !errors.Is(err, wasi.EINTR) {
		t.Errorf("%v, want %v", err, wasi.EINTR)
	}
}

func TestNamesThatDoNotExist(t *testing.T) {
	server := nameServer(t)
	go func() {
		for buf := make([]byte, 512); ; {
			n, from, err := server.ReadFrom(buf)
			if err != nil {
				return // closed at the test's end
			}
			buf[2] |= 0x80 // a response
			buf[3] = 0x83  // recursion available, no such name (RFC 1035, 4.1.1)
			if _, err := server.WriteTo(buf[:n], from); err != nil {
				t.Error(err)
			}
		}
	}()
	s := wasitest.New(t, wasi.Options{})
	_, err := s.LookupHost("ip4", "absent.example.")
	var dns *net.DNSError
	if !errors.As(err, &dns) || !dns.IsNotFound {
		t.Errorf("%v, want that the name is not found", err)
	}
}
