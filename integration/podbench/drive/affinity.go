// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"errors"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// affinity says for all threads of this process on which processors they run. New
// threads have it from those that make them.
func affinity(set *unix.CPUSet) error {
	entries, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, entry := range entries {
		tid, err := strconv.Atoi(entry.Name())
		if err != nil {
			return err
		}
		if err := unix.SchedSetaffinity(tid, set); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
	}
	return nil
}
