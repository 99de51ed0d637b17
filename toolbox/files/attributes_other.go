// SPDX-License-Identifier: Apache-2.0

//go:build !wasip1

package files

import (
	"fmt"
	"io/fs"
	"syscall"
)

func modeOf(info fs.FileInfo) string {
	return kindOf(info) + info.Mode().Perm().String()[1:]
}

func ownerOf(info fs.FileInfo) string {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return fmt.Sprintf("%-8d %-8d", st.Uid, st.Gid)
	}
	return "?        ?       "
}

func linksOf(info fs.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Nlink) //nolint:unconvert // it is 32 bits wide on arm64
	}
	return 1
}

func inodeOf(info fs.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Ino
	}
	return 0
}
