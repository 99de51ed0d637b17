// SPDX-License-Identifier: Apache-2.0

package files

import (
	"io/fs"
	"syscall"
)

// modeOf shows the kind of a file. Its permissions WASI does not tell.
func modeOf(info fs.FileInfo) string { return kindOf(info) + "?????????" }

func ownerOf(fs.FileInfo) string { return "?        ?       " }

func linksOf(info fs.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Nlink
	}
	return 1
}

func inodeOf(info fs.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Ino
	}
	return 0
}
