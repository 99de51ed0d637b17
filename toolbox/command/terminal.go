// SPDX-License-Identifier: Apache-2.0

package command

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// IsTerminal says whether a stream is a terminal.
func IsTerminal(stream any) bool {
	switch s := stream.(type) {
	case *Input:
		return IsTerminal(s.File)
	case *os.File:
		return controls(s)
	case interface{ Terminal() bool }:
		return s.Terminal()
	}
	return false
}

// controls asks about a file's descriptor. File.Fd would make it block.
func controls(f *os.File) (terminal bool) {
	conn, err := f.SyscallConn()
	if err != nil {
		return false
	}
	err = conn.Control(func(fd uintptr) { terminal = isTerminal(fd) })
	return err == nil && terminal
}

// PromptSign is what a prompt ends with: # for the user 0, $ for others and where it is not known.
func PromptSign() string {
	status, err := os.Open("/proc/self/status")
	if err != nil {
		return "$"
	}
	defer status.Close()
	for lines := bufio.NewScanner(io.LimitReader(status, 64<<10)); lines.Scan(); {
		// Uid: real, effective, saved, of the file system.
		if fields := strings.Fields(lines.Text()); len(fields) > 2 && fields[0] == "Uid:" {
			if fields[2] == "0" {
				return "#"
			}
			return "$"
		}
	}
	return "$"
}

// PrintTimes reports how long a command took. WASI does not tell what it used of the processor.
func PrintTimes(w io.Writer, took time.Duration) {
	fmt.Fprintf(w, "real\t%dm%.3fs\n", int(took.Minutes()), (took % time.Minute).Seconds())
}
