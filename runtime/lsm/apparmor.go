// SPDX-License-Identifier: Apache-2.0

package lsm

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"
)

const (
	appArmorEnabled  = "/sys/module/apparmor/parameters/enabled"
	appArmorProfiles = "/sys/kernel/security/apparmor/profiles"
)

// RequireAppArmor says why a container cannot have an AppArmor profile of the
// node, nil where it can: AppArmor is on, the kernel can put a profile in force for
// all threads of a process at once, and the profile is loaded.
func RequireAppArmor(profile string) error {
	if !appArmorOn() {
		return fmt.Errorf("AppArmor profile %s: this node has no AppArmor: %w", profile, errdefs.ErrFailedPrecondition)
	}
	if err := requireSetAttribute(); err != nil {
		return fmt.Errorf("AppArmor profile %s: %w", profile, err)
	}
	f, err := os.Open(appArmorProfiles)
	if err != nil {
		return fmt.Errorf("AppArmor profile %s: the profiles that are loaded cannot be read, is securityfs mounted: %w: %w", profile, err, errdefs.ErrFailedPrecondition)
	}
	defer f.Close()
	loaded, err := hasProfile(f, profile)
	if err != nil {
		return fmt.Errorf("AppArmor profile %s: %s: %w", profile, appArmorProfiles, err)
	}
	if !loaded {
		return fmt.Errorf("AppArmor profile %s: not loaded on this node: load it with apparmor_parser: %w", profile, errdefs.ErrFailedPrecondition)
	}
	return nil
}

// appArmorOn says whether the kernel enforces AppArmor.
func appArmorOn() bool {
	on, err := os.ReadFile(appArmorEnabled)
	return err == nil && len(on) > 0 && on[0] == 'Y'
}

// requireSetAttribute finds out whether lsm_set_self_attr(2) is there, which can be
// made on every thread of a process; the files below /proc/thread-self/attr are
// one thread's each.
func requireSetAttribute() error {
	_, _, errno := unix.Syscall(unix.SYS_LSM_LIST_MODULES, 0, 0, 0)
	if errno == unix.ENOSYS {
		return fmt.Errorf("this kernel cannot put it on a process of many threads, which takes Linux 6.8: %w", errdefs.ErrFailedPrecondition)
	}
	return nil
}

// hasProfile looks for a profile in the kernel's list, whose lines are
// "NAME (MODE)".
func hasProfile(list io.Reader, profile string) (bool, error) {
	lines := bufio.NewReader(list)
	for {
		line, err := lines.ReadString('\n')
		line = strings.TrimSuffix(line, "\n")
		if at := strings.LastIndex(line, " ("); at >= 0 && line[:at] == profile {
			return true, nil
		}
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
}
