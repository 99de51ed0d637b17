// SPDX-License-Identifier: Apache-2.0

// Package crilog writes a container's output in the log format of the CRI,
// which the kubelet reads back (k8s.io/cri-api, LogTag*):
//
//	2026-01-02T15:04:05.000000001Z stdout F a whole line
//	2026-01-02T15:04:05.000000002Z stderr P the first 16 KiB of a long one
//
// Writing happens on the caller's thread, straight into the file: the guest's
// write has reached the file when it returns, and no goroutine has to run.
package crilog

import (
	"bytes"
	"os"
	"sync"
	"time"
)

// MaxLine is the longest text of one record in bytes, as containerd has it.
// A longer line becomes several records, all but the last tagged P.
const MaxLine = 16 << 10

// flushSize bounds the records gathered before they are written.
const flushSize = 64 << 10

// Log is one container's log file with its streams. It is safe for concurrent
// use.
type Log struct {
	mu      sync.Mutex
	file    *os.File
	records []byte // gathered, not yet written
	stamp   []byte // the time of the records of one write
	torn    bool   // the file ends inside a record
	streams []*Stream
	now     func() time.Time
}

// Stream is one of the container's outputs; an io.Writer.
type Stream struct {
	log     *Log
	name    string
	pending []byte // a line's beginning, at most MaxLine
}

// New returns a log that appends to file and owns it.
func New(file *os.File) *Log {
	return &Log{file: file, now: time.Now}
}

// Stream adds an output of that name: "stdout" or "stderr".
func (l *Log) Stream(name string) *Stream {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := &Stream{log: l, name: name}
	l.streams = append(l.streams, s)
	return s
}

// Write logs p. Lines are records as soon as they are whole; a beginning is
// kept for the next call. It never fails: a full disk or a lost file must not
// end the guest, and there is nobody else to tell.
func (s *Stream) Write(p []byte) (int, error) {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	s.log.takeTime()
	for rest := p; len(rest) > 0; {
		rest = s.take(rest)
	}
	s.log.flush()
	return len(p), nil
}

// take logs what p adds to one record and returns the rest of p.
func (s *Stream) take(p []byte) []byte {
	room := MaxLine - len(s.pending)
	end := bytes.IndexByte(p[:min(len(p), room+1)], '\n')
	switch {
	case end >= 0:
		s.record('F', p[:end])
		return p[end+1:]
	case len(p) > room: // the line goes on beyond what a record holds
		s.record('P', p[:room])
		return p[room:]
	default:
		s.pending = append(s.pending, p...)
		return nil
	}
}

// record gathers one record: what was pending, then text.
func (s *Stream) record(tag byte, text []byte) {
	l := s.log
	if l.torn {
		l.records = append(l.records, '\n')
		l.torn = false
	}
	l.records = append(l.records, l.stamp...)
	l.records = append(append(l.records, ' '), s.name...)
	l.records = append(l.records, ' ', tag, ' ')
	l.records = append(append(l.records, s.pending...), text...)
	l.records = append(l.records, '\n')
	s.pending = s.pending[:0]
	if len(l.records) >= flushSize {
		l.flush()
	}
}

// takeTime reads the clock for the records that follow. It is in UTC: the local
// zone's file would be the image's. The buffer is kept, because garbage made
// here would wait for the guest's next larger host call.
func (l *Log) takeTime() {
	l.stamp = l.now().UTC().AppendFormat(l.stamp[:0], time.RFC3339Nano)
}

// flush writes the gathered records at once, so that the file, opened to
// append, holds whole ones.
func (l *Log) flush() {
	if len(l.records) == 0 {
		return
	}
	n, err := l.file.Write(l.records)
	// A record cut off by a full disk would swallow the next one's beginning.
	l.torn = err != nil && n > 0
	l.records = l.records[:0]
}

// Reopen makes file the log from the next record on, owns it, and closes the
// old one. When it returns nothing more goes to the old file: the kubelet may
// compress it.
func (l *Log) Reopen(file *os.File) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	old := l.file
	l.file, l.torn = file, false
	return old.Close()
}

// Flush logs the lines that have begun and will not end, tagged F as
// containerd does. It comes last.
func (l *Log) Flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.takeTime()
	for _, s := range l.streams {
		if len(s.pending) > 0 {
			s.record('F', nil)
		}
	}
	l.flush()
}
