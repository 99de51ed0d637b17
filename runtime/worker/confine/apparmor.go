// SPDX-License-Identifier: Apache-2.0

package confine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	goruntime "runtime"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// Numbers of <linux/lsm.h> that x/sys/unix does not name.
const (
	attrCurrent    = 100 // LSM_ATTR_CURRENT
	moduleAppArmor = 104 // LSM_ID_APPARMOR
)

// ChangeProfile puts every thread under the node's AppArmor profile of that name,
// which none can leave again. It comes before Seal.
//
// What has been opened before stays open, and is what the profile cannot take: the
// log, the exit record, the control socket as such.
func ChangeProfile(profile string) error {
	ctx := selfAttribute(moduleAppArmor, "changeprofile "+profile)
	err := onThrowaway(func() error { return setAttribute(ctx) })
	if err == nil {
		err = onThrowaway(func() error { return setOthersAttribute(ctx) })
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.ENOENT):
		return spec.Failf(spec.FailedPrecondition, "AppArmor profile %s: not loaded on this node: load it with apparmor_parser", profile)
	}
	return spec.Failf(spec.FailedPrecondition, "AppArmor profile %s: cannot be put in force: %w", profile, err)
}

// setAttribute sets an attribute of the calling thread: what comes of it will come
// of it on any other.
func setAttribute(ctx []byte) error {
	_, _, errno := unix.Syscall6(unix.SYS_LSM_SET_SELF_ATTR, attrCurrent, uintptr(unsafe.Pointer(&ctx[0])), uintptr(len(ctx)), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// setOthersAttribute sets an attribute of every thread but the calling one.
//
// To have a system call made on all threads Go makes it on the calling one and
// then sends the others a signal; under a profile that thread might not signal
// those that are not under it yet, and would wait for ever. So for the calling one
// the call does nothing.
func setOthersAttribute(ctx []byte) error {
	if err := skipCall(unix.SYS_LSM_SET_SELF_ATTR); err != nil {
		return err
	}
	_, _, errno := syscall.AllThreadsSyscall6(unix.SYS_LSM_SET_SELF_ATTR,
		attrCurrent, uintptr(unsafe.Pointer(&ctx[0])), uintptr(len(ctx)), 0, 0, 0)
	goruntime.KeepAlive(ctx)
	if errno != 0 {
		return errno
	}
	return nil
}

// onThrowaway runs fn on a thread of its own and returns when that has ended.
func onThrowaway(fn func() error) error {
	type result struct {
		thread int
		err    error
	}
	done := make(chan result)
	go offMainThread(func() {
		err := fn()
		done <- result{unix.Gettid(), err}
	})
	r := <-done
	return errors.Join(r.err, awaitThreadEnd(r.thread))
}

// offMainThread runs fn on a thread that ends with the calling goroutine. The main
// thread never ends: it is kept busy until fn has run elsewhere.
func offMainThread(fn func()) {
	goruntime.LockOSThread() // unlocked only on the main thread
	if unix.Gettid() != os.Getpid() {
		fn()
		return
	}
	elsewhere := make(chan struct{})
	go offMainThread(func() { defer close(elsewhere); fn() })
	<-elsewhere
	goruntime.UnlockOSThread()
}

// skipCall makes a system call of the calling thread succeed without being made.
func skipCall(nr uint32) error {
	const done = unix.SECCOMP_RET_ERRNO // errno 0
	return enforce(assemble([]rule{{nr: nr, otherwise: done}}, allow), 0)
}

// threadPatience bounds the wait for a thread that has nothing more to do.
const threadPatience = 5 * time.Second

// awaitThreadEnd waits until a thread is gone: as long as it is there it has a filter
// that the others have not, and they could not be given one together.
func awaitThreadEnd(thread int) error {
	for deadline := time.Now().Add(threadPatience); time.Now().Before(deadline); time.Sleep(20 * time.Microsecond) {
		const none = 0
		if errors.Is(unix.Tgkill(os.Getpid(), thread, none), unix.ESRCH) {
			return nil
		}
	}
	return fmt.Errorf("thread %d has not ended after %s", thread, threadPatience)
}

// selfAttribute is a struct lsm_ctx: the module, no flags, the length of all, the
// length of the value, the value (lsm_set_self_attr(2)).
func selfAttribute(module uint64, value string) []byte {
	const header = 4 * 8
	ctx := make([]byte, header, header+len(value)+1)
	binary.NativeEndian.PutUint64(ctx[0:], module)
	binary.NativeEndian.PutUint64(ctx[16:], uint64(header+len(value)+1))
	binary.NativeEndian.PutUint64(ctx[24:], uint64(len(value)+1))
	return append(append(ctx, value...), 0)
}
