// SPDX-License-Identifier: Apache-2.0

//go:build !wasip1

package command

import "golang.org/x/sys/unix"

func isTerminal(fd uintptr) bool {
	_, err := unix.IoctlGetTermios(int(fd), unix.TCGETS)
	return err == nil
}
