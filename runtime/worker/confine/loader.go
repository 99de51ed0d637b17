// SPDX-License-Identifier: Apache-2.0

package confine

import (
	"fmt"
	"os"
	goruntime "runtime"

	"golang.org/x/sys/unix"
)

// Loader reaches the process's own descriptors by path, which the container's
// root cannot: there is no /proc/self in it. wazero reads compiled code from a
// directory's path only, and the directory arrives as a descriptor after the
// walls stand.
//
// It is one thread whose root directory is a procfs that shows processes and
// nothing else. The thread is confined like every other; it ends with Load.
type Loader struct {
	work chan func()
	done chan struct{}
}

// newLoader starts the thread. Changing a root directory needs a privilege, so
// this comes before they are dropped.
func newLoader(root processes) (*Loader, error) {
	l := &Loader{work: make(chan func()), done: make(chan struct{})}
	started := make(chan error)
	go l.serve(root, started)
	return l, <-started
}

// serve is the thread's life.
func (l *Loader) serve(root processes, started chan<- error) {
	// Never unlocked: the thread ends with the goroutine, and Go starts
	// no other thread from a locked one.
	goruntime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		// The process's first thread does not end, and its root is what others see as the
		// process's: it is held while another one serves.
		other := make(chan struct{})
		go func() {
			defer close(other)
			l.serve(root, started)
		}()
		<-other
		goruntime.UnlockOSThread()
		return
	}
	defer close(l.done)
	err := enterAlone(root)
	started <- err
	if err != nil {
		return
	}
	if work, ok := <-l.work; ok {
		work()
	}
}

// enterAlone gives the calling thread a root and working directory of its own.
func enterAlone(root processes) error {
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("loader: %w", err)
	}
	if err := unix.Fchdir(root.fd); err != nil {
		return fmt.Errorf("loader: %w", err)
	}
	if err := unix.Chroot("."); err != nil {
		return fmt.Errorf("loader: %w", err)
	}
	return nil
}

// Load runs fn once, on the loader's thread, with a path at which dir can be
// read by that thread alone. The thread is gone when Load returns, and dir is
// closed.
func (l *Loader) Load(dir *os.File, fn func(dir string) error) error {
	defer dir.Close()
	var err error
	l.work <- func() { err = fn(fmt.Sprintf("/self/fd/%d", dir.Fd())) }
	<-l.done
	return err
}
