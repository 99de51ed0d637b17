// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"net"
	"os"
	"strings"

	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// sockets are the listeners a guest is handed.
type sockets []*os.File

// openListeners opens them in the network namespace the process was born in,
// while it may still use ports below 1024. It fails whole.
func openListeners(list []spec.Listener) (opened sockets, err error) {
	defer func() {
		if err != nil {
			opened.close()
		}
	}()
	for _, l := range list {
		f, err := openListener(l)
		if err != nil {
			return opened, spec.Failf(spec.FailedPrecondition, "listener %s://%s: %w", l.Network, l.Address, cause(err))
		}
		opened = append(opened, f)
	}
	return opened, nil
}

func openListener(l spec.Listener) (*os.File, error) {
	if strings.HasPrefix(l.Network, "udp") {
		address, err := net.ResolveUDPAddr(l.Network, l.Address)
		if err != nil {
			return nil, err
		}
		conn, err := net.ListenUDP(l.Network, address)
		if err != nil {
			return nil, err
		}
		defer conn.Close()
		return conn.File()
	}
	address, err := net.ResolveTCPAddr(l.Network, l.Address)
	if err != nil {
		return nil, err
	}
	listener, err := net.ListenTCP(l.Network, address)
	if err != nil {
		return nil, err
	}
	defer listener.Close()
	return listener.File()
}

// cause leaves out what net says again of the address.
func cause(err error) error {
	if op, ok := err.(*net.OpError); ok { //nolint:errorlint // net.Listen returns it unwrapped
		return op.Err
	}
	return err
}

func (s sockets) close() {
	for _, f := range s {
		f.Close()
	}
}
