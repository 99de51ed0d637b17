// SPDX-License-Identifier: Apache-2.0

package wasi

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/wasi/internal/freelist"
)

// System is one guest's WASI host: its descriptors, arguments, clocks and the poller it sleeps in.
// Its methods may be called from several threads of a guest; Interrupt from any goroutine.
type System struct {
	args, env   Strings
	collect     func()
	idle        func()
	exactThread atomic.Int32 // the thread whose waits are exact, of those that wait for the guest
	rested      atomic.Bool  // idle was called, and nothing has woken the guest since
	table       table
	openat2     bool
	clock       clock
	pollers     freelist.List[Poller]
	sleeping    atomic.Int32
	wakeups     atomic.Uint64

	connections connections
	kept        kept

	// exit is the guest's exit code with exitSet above it, once there is one.
	exit atomic.Uint64

	// wake is an eventfd that is in every wait; once written to it stays readable. wakeMu keeps
	// Interrupt off a descriptor number Close has given back.
	wake   int
	wakeMu sync.Mutex
	closed bool
}

const exitSet = 1 << 32

// New makes the host of one guest. An error names the option at fault; nothing stays open then.
func New(o Options) (_ *System, err error) {
	s := &System{collect: o.Collect, idle: o.Idle, wake: -1, openat2: haveOpenat2()}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	s.connections.init()
	if s.collect == nil {
		s.collect = func() {}
	}
	if s.args, err = newStrings("argument", o.Args); err != nil {
		return nil, err
	}
	if s.env, err = newStrings("environment variable", o.environment()); err != nil {
		return nil, err
	}
	if s.clock, err = newClock(); err != nil {
		return nil, fmt.Errorf("monotonic clock: %w", err)
	}
	if s.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	return s, s.fill(&o)
}

// fill installs the descriptors a guest starts with.
func (s *System) fill(o *Options) error {
	for i, std := range []Stdio{o.Stdin, o.Stdout, o.Stderr} {
		d, err := s.newStdio(std)
		if err != nil {
			return fmt.Errorf("standard descriptor %d: %w", i, err)
		}
		s.install(d)
	}
	for _, p := range o.Preopens {
		d, err := s.newPreopen(p)
		if err != nil {
			return fmt.Errorf("preopen %q: %w", p.Path, err)
		}
		s.install(d)
	}
	for i, l := range o.Listeners {
		d, err := s.newListener(l)
		if err != nil {
			return fmt.Errorf("listener %d (%q): %w", i, l.Name, err)
		}
		if o.AnswersOnly && d.kind == FileSocketDatagram {
			d.peers = newPeers()
		}
		s.install(d)
	}
	return nil
}

// install gives a starting descriptor its number. The table is empty then and cannot be full: the
// kernel had a number for each of them.
func (s *System) install(d *Descriptor) {
	if _, errno := s.table.insert(d); errno != ESUCCESS {
		d.Release()
	}
}

// Args are the guest's arguments.
func (s *System) Args() Strings { return s.args }

// Env is the guest's environment.
func (s *System) Env() Strings { return s.env }

// Collect runs the Options' hook; a face calls it before work that allocates.
func (s *System) Collect() { s.collect() }

// Interrupt ends the guest with this exit code: a host call that waits returns at once, and the
// face ends the guest there or at its next host call. The first code stands, proc_exit's included.
// It may be called from any goroutine, more than once, and after Close.
func (s *System) Interrupt(code uint32) {
	s.SetExit(code)
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	s.wakeMu.Lock()
	defer s.wakeMu.Unlock()
	if !s.closed {
		// EAGAIN means the counter is full, so it is readable: as good as written.
		_, _ = unix.Write(s.wake, one[:])
	}
}

// SetExit records the guest's exit code unless it has one.
func (s *System) SetExit(code uint32) { s.exit.CompareAndSwap(0, exitSet|uint64(code)) }

// Exited is the guest's exit code, and whether it has one: by proc_exit or Interrupt.
func (s *System) Exited() (code uint32, ok bool) {
	v := s.exit.Load()
	return uint32(v), v&exitSet != 0
}

// Sleeping is how many of the guest's threads wait in the kernel right now.
func (s *System) Sleeping() int { return int(s.sleeping.Load()) }

// Wakeups is how often the guest's waits have returned from the kernel, for whatever reason. An idle
// server's does not move.
func (s *System) Wakeups() uint64 { return s.wakeups.Load() }

// Close closes every descriptor the guest has open. It must not run beside a host call.
func (s *System) Close() error {
	s.wakeMu.Lock()
	defer s.wakeMu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.connections.close()
	s.kept.close()
	err := s.table.closeAll()
	if s.wake >= 0 {
		err = errors.Join(err, unix.Close(s.wake))
	}
	return err
}
