// SPDX-License-Identifier: Apache-2.0

package wasi

import (
	"fmt"
	"strconv"
	"strings"
)

// Options say what a guest is given. New duplicates every descriptor named here; the caller keeps
// its own and closes them when it likes.
type Options struct {
	// Args are the guest's arguments, argv[0] first.
	Args []string
	// Env is the guest's environment, "NAME=value" each.
	Env []string
	// Stdin, Stdout and Stderr become descriptors 0, 1 and 2.
	Stdin, Stdout, Stderr Stdio
	// Preopens become descriptors 3 and on, in this order.
	Preopens []Preopen
	// Listeners follow the preopens. Where there are any, the guest's environment gets LISTEN_FDS
	// (their number) and LISTEN_FDNAMES (their names, separated by colons), unless Env sets them.
	Listeners []Listener
	// AnswersOnly lets a guest send datagrams from Listeners only to who has lately sent one there:
	// to any other address SendTo is EACCES. It is for a guest that is to have no other socket.
	AnswersOnly bool
	// Collect, when set, is called at the start of every host call that leaves garbage behind. It is
	// the moment to collect: a guest that computes cannot be stopped for it, a guest in here can.
	Collect func()
	// Idle, when set, is called in a host call in which the guest has waited for a while: for what
	// takes time and is of no use to a guest that has work. The guest goes on when it returns.
	Idle func()
}

// Preopen is a directory the guest may use.
type Preopen struct {
	// Path is the name the guest finds it under.
	Path string
	// FD is the directory.
	FD int
}

// Listener is a socket the guest is handed: a TCP listener, a UDP socket, a connection.
type Listener struct {
	// FD is the socket. New makes it non-blocking, for everyone who shares it.
	FD int
	// Name is its name in LISTEN_FDNAMES; "unknown" when empty, as systemd has it.
	Name string
}

// Sink takes what a guest writes to a standard descriptor; the worker's CRI log is one. Write is
// called by the guest's own thread, which waits for it.
type Sink interface {
	Write(p []byte) (n int, err error)
}

// Stdio is what stands behind a standard descriptor. The zero value is nothing: reads meet the end
// of the file at once, writes vanish.
type Stdio struct {
	fd   int
	open bool
	sink Sink
}

// StdioFD puts a kernel descriptor (file, pipe, socket, terminal) behind a standard descriptor.
func StdioFD(fd int) Stdio { return Stdio{fd: fd, open: true} }

// StdioSink puts a Sink behind stdout or stderr.
func StdioSink(s Sink) Stdio { return Stdio{sink: s} }

// environment is Env and what the listeners add to it.
func (o *Options) environment() []string {
	if len(o.Listeners) == 0 {
		return o.Env
	}
	env := append([]string(nil), o.Env...)
	names := make([]string, len(o.Listeners))
	for i, l := range o.Listeners {
		if names[i] = l.Name; l.Name == "" {
			names[i] = "unknown"
		}
	}
	env = withDefault(env, "LISTEN_FDS", strconv.Itoa(len(o.Listeners)))
	return withDefault(env, "LISTEN_FDNAMES", strings.Join(names, ":"))
}

func withDefault(env []string, name, value string) []string {
	for _, e := range env {
		if strings.HasPrefix(e, name+"=") {
			return env
		}
	}
	return append(env, name+"="+value)
}

// Strings are arguments or environment in the form the guest receives them: NUL-terminated, end to end.
type Strings struct {
	// Count is the number of strings.
	Count int
	// Blob holds them all, a NUL after each.
	Blob []byte
}

func newStrings(what string, list []string) (Strings, error) {
	s := Strings{Count: len(list)}
	for i, v := range list {
		if strings.IndexByte(v, 0) >= 0 {
			return s, fmt.Errorf("%s %d (%q): has a NUL byte", what, i, v)
		}
		s.Blob = append(append(s.Blob, v...), 0)
	}
	return s, nil
}
