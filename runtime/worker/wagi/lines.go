// SPDX-License-Identifier: Apache-2.0

package wagi

import (
	"bytes"

	"github.com/wazelet/wazelet/runtime/wasi"
)

// lineSize is the longest line that stays in one piece among those of others.
const lineSize = 8 << 10

// lines is one guest's stderr: whole lines go to the log, where those of other
// guests come in between.
type lines struct {
	log     wasi.Sink
	pending []byte
}

// Write logs the lines that are whole.
func (l *lines) Write(p []byte) (int, error) {
	end := bytes.LastIndexByte(p, '\n') + 1
	if end == 0 && len(l.pending)+len(p) <= lineSize {
		l.pending = append(l.pending, p...)
		return len(p), nil
	}
	if end == 0 {
		end = len(p)
	}
	l.pending = append(l.pending, p[:end]...)
	_, err := l.log.Write(l.pending)
	l.pending = append(l.pending[:0], p[end:]...)
	return len(p), err
}

// flush logs a line that has begun.
func (l *lines) flush() {
	if len(l.pending) > 0 {
		_, _ = l.log.Write(append(l.pending, '\n')) // the log never fails
		l.pending = nil
	}
}
