// SPDX-License-Identifier: Apache-2.0

// Package terminal makes pseudo-terminals (pty(7)). The daemon makes one for a
// container or command that asks for it; whoever holds the master is its user's
// side.
package terminal

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Size is a window's, in characters.
type Size struct {
	Width, Height uint16
}

// Open makes a terminal and returns both ends of it. The caller closes them:
// the terminal is gone when nobody has an end of it.
func Open() (master, slave *os.File, err error) {
	master, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("terminal: %w", err)
	}
	if slave, err = unlock(master); err != nil {
		master.Close()
		return nil, nil, fmt.Errorf("terminal: %w", err)
	}
	return master, slave, nil
}

// unlock opens the other end through the master itself (ioctl_tty(2),
// TIOCGPTPEER), wherever devpts is mounted.
func unlock(master *os.File) (*os.File, error) {
	var slave *os.File
	err := control(master, func(fd int) error {
		if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
			return err
		}
		peer, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
		if errno != 0 {
			return errno
		}
		slave = os.NewFile(peer, "terminal")
		return nil
	})
	return slave, err
}

// Resize sets the window's size; whoever runs on the terminal can ask for it.
func (s Size) Resize(master *os.File) error {
	return control(master, func(fd int) error {
		if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Col: s.Width, Row: s.Height}); err != nil {
			return fmt.Errorf("terminal: resize to %dx%d: %w", s.Width, s.Height, err)
		}
		return nil
	})
}

// control calls fn with the file's descriptor, which stays non-blocking.
func control(f *os.File, fn func(fd int) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = fn(int(fd)) }); err != nil {
		return err
	}
	return failed
}
