// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// TestOnThreadKeepsTheProcess: whatever thread the function lands on, the process
// and the next caller find the world as it was.
func TestOnThreadKeepsTheProcess(t *testing.T) {
	netns := func() string {
		link, err := os.Readlink(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()))
		if err != nil {
			t.Error(err)
		}
		return link
	}
	main, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		err := onThread(func() error {
			if got := netns(); got != main {
				t.Errorf("began in %s", got)
			}
			if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
				return err
			}
			if got := netns(); got == main {
				t.Error("is still in the process's own namespace")
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if after, err := os.Readlink("/proc/self/ns/net"); err != nil || after != main {
		t.Errorf("the process is in %s now, was in %s (%v)", after, main, err)
	}
}
