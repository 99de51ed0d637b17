// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"strings"
)

// maxTrap bounds a trap's text in bytes: it goes into the termination log,
// of which the kubelet reads 4 KiB.
const maxTrap = 4 << 10

// Trap is a guest's end by a fault.
type Trap struct {
	Message string // "wasm trap: unreachable"
	Stack   string // the guest's frames, innermost first, one a line; may be ""
}

// Error returns the message.
func (t *Trap) Error() string { return t.Message }

// Text returns the message and the stack.
func (t *Trap) Text() string {
	if t.Stack == "" {
		return t.Message
	}
	return t.Message + "\n" + t.Stack
}

// newTrap reads wazero's account of a fault:
//
//	wasm error: unreachable
//	wasm stack trace:
//		.main.crash(i32)
//		._start()
//
// A fault of a host function says "(recovered by wazero)" and may go on with
// the host's own stack, which is of no use to the guest's author.
func newTrap(err error) *Trap {
	head, rest, _ := strings.Cut(err.Error(), "\nwasm stack trace:\n")
	rest, _, _ = strings.Cut(rest, "\n\n")
	t := &Trap{}
	if cause, ok := strings.CutSuffix(head, " (recovered by wazero)"); ok {
		t.Message = "host fault: " + firstLine(cause)
	} else {
		t.Message = "wasm trap: " + firstLine(strings.TrimPrefix(head, "wasm error: "))
	}
	t.Message = truncate(t.Message, maxTrap/4)
	t.Stack = truncate(frames(rest), maxTrap-len(t.Message)-1)
	return t
}

// frames indents the guest's frames and names them as their author does:
// wazero puts the module's name and a dot before each.
func frames(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		b.WriteString("    at " + strings.TrimPrefix(line, "."))
	}
	return b.String()
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// truncate cuts s to n bytes at a character's border.
func truncate(s string, n int) string {
	const more = "…"
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:max(n-len(more), 0)], "") + more
}
