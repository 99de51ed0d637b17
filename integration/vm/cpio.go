// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bytes"
	"fmt"
	"os"
)

// archive is an initial file system in the form the kernel reads (the "newc" cpio
// of its document initramfs-buffer-format).
type archive struct {
	buffer  bytes.Buffer
	entries int
}

const (
	modeFolder = 0o040755
	modeFile   = 0o100755
	modeDevice = 0o020600 // of characters
)

func (a *archive) folder(name string) { a.entry(name, modeFolder, 0, 0, nil) }

func (a *archive) device(name string, major, minor int) { a.entry(name, modeDevice, major, minor, nil) }

// file adds the content of a file of this machine.
func (a *archive) file(name, from string) error {
	content, err := os.ReadFile(from)
	if err == nil {
		a.entry(name, modeFile, 0, 0, content)
	}
	return err
}

// entry writes thirteen numbers of eight hexadecimal digits after the magic:
// inode, mode, owner, group, links, time, size, four device numbers, the length
// of the name and a sum that nobody reads.
func (a *archive) entry(name string, mode, major, minor int, content []byte) {
	a.entries++
	fmt.Fprintf(&a.buffer, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
		a.entries, mode, 0, 0, 1, 0, len(content), 0, 0, major, minor, len(name)+1, 0)
	a.buffer.WriteString(name)
	a.buffer.WriteByte(0)
	a.pad()
	a.buffer.Write(content)
	a.pad()
}

func (a *archive) pad() {
	for a.buffer.Len()%4 != 0 {
		a.buffer.WriteByte(0)
	}
}

// bytes ends the archive.
func (a *archive) bytes() []byte {
	a.entry("TRAILER!!!", 0, 0, 0, nil)
	return a.buffer.Bytes()
}
