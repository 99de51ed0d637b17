// SPDX-License-Identifier: Apache-2.0

package install

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"

	systemd "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"
)

// Where the node's systemd is asked: its own socket, which is for root alone and is
// there without a bus, then the bus.
const (
	systemdSocket = "/run/systemd/private"
	busSocket     = "/run/dbus/system_bus_socket"
)

// errNoSystemd is the error of a node whose services something else runs.
var errNoSystemd = errors.New("no systemd answers on this node")

// services are the node's systemd services.
type services struct{ connection *systemd.Conn }

// openServices connects to the node's systemd.
func openServices(h Host) (*services, error) {
	direct := func() (*dbus.Conn, error) { return dialBus(h, systemdSocket, false) }
	connection, err := systemd.NewConnection(direct)
	if err == nil {
		return &services{connection}, nil
	}
	viaBus := func() (*dbus.Conn, error) { return dialBus(h, busSocket, true) }
	connection, busErr := systemd.NewConnection(viaBus)
	if busErr == nil {
		return &services{connection}, nil
	}
	for _, one := range []error{err, busErr} {
		if !errors.Is(one, fs.ErrNotExist) && !errors.Is(one, unix.ECONNREFUSED) {
			return nil, fmt.Errorf("systemd: %w", one)
		}
	}
	return nil, errNoSystemd
}

// dialBus connects to a D-Bus socket of the node's as this user. A bus, unlike a
// peer, is greeted.
func dialBus(h Host, socket string, isBus bool) (*dbus.Conn, error) {
	path, err := h.Path(socket)
	if err != nil {
		return nil, err
	}
	if err := unix.Access(path, unix.W_OK); err != nil {
		return nil, err // the library's error does not tell
	}
	connection, err := dbus.Dial("unix:path=" + path)
	if err != nil {
		return nil, err
	}
	err = connection.Auth([]dbus.Auth{dbus.AuthExternal(strconv.Itoa(unix.Getuid()))})
	if err == nil && isBus {
		err = connection.Hello()
	}
	if err != nil {
		return nil, errors.Join(err, connection.Close())
	}
	return connection, nil
}

func (s *services) close() { s.connection.Close() }

// reload has systemd read its files anew.
func (s *services) reload(ctx context.Context) error {
	if err := s.connection.ReloadContext(ctx); err != nil {
		return fmt.Errorf("systemd: reload: %w", err)
	}
	return nil
}

type job func(ctx context.Context, name, mode string, done chan<- string) (int, error)

// start, restart and stop return when the unit is up, or down.
func (s *services) start(ctx context.Context, unit string) error {
	return s.run(ctx, "start", unit, s.connection.StartUnitContext)
}

func (s *services) restart(ctx context.Context, unit string) error {
	return s.run(ctx, "restart", unit, s.connection.RestartUnitContext)
}

func (s *services) stop(ctx context.Context, unit string) error {
	return s.run(ctx, "stop", unit, s.connection.StopUnitContext)
}

func (s *services) run(ctx context.Context, what, unit string, act job) error {
	done := make(chan string, 1)
	if _, err := act(ctx, unit, "replace", done); err != nil {
		return fmt.Errorf("%s %s: %w", what, unit, err)
	}
	select {
	case result := <-done:
		if result != "done" {
			return fmt.Errorf("%s %s: %s; `systemctl status %s` and its log tell why", what, unit, result, unit)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s %s: %w", what, unit, context.Cause(ctx))
	}
}

// service is a unit as systemd knows it.
type service struct {
	loaded bool
	active bool
	pid    int      // of its main process, 0 when it does not run
	files  []string // its own and its drop-ins, in the order they are read
}

// look asks about a service.
func (s *services) look(ctx context.Context, unit string) (service, error) {
	properties, err := s.connection.GetAllPropertiesContext(ctx, unit)
	if err != nil {
		return service{}, fmt.Errorf("systemd: %s: %w", unit, err)
	}
	var found service
	if state, _ := properties["LoadState"].(string); state == "loaded" {
		found.loaded = true
	}
	if state, _ := properties["ActiveState"].(string); state == "active" {
		found.active = true
	}
	if pid, ok := properties["MainPID"].(uint32); ok {
		found.pid = int(pid)
	}
	if path, _ := properties["FragmentPath"].(string); path != "" {
		found.files = append(found.files, path)
	}
	if dropIns, ok := properties["DropInPaths"].([]string); ok {
		found.files = append(found.files, dropIns...)
	}
	return found, nil
}

// unitFiles reads the files of a service.
func (s service) unitFiles(h Host) ([]unitFile, error) {
	var files []unitFile
	for _, path := range s.files {
		content, err := h.Read(path)
		if err != nil {
			return nil, err
		}
		files = append(files, unitFile{path, content})
	}
	return files, nil
}
