// SPDX-License-Identifier: Apache-2.0

// Package seccomp reads the seccomp profiles of a node (the format of the OCI
// runtime specification, with what Docker's and Podman's files add to it) and
// compiles them to the filter a worker puts in force on top of its own.
//
// A profile means here what it means to runc: a rule whose action is the
// default one says nothing; several rules on a call are alternatives, and one
// without conditions overrules those with; calls that this machine does not
// have are passed over.
package seccomp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"
)

// MaxProfile is the largest profile taken, in bytes. Docker's own has 15 kB.
const MaxProfile = 1 << 20

// profile is the file. Unknown fields are refused: a rule that is misspelt
// would otherwise be a hole that nobody sees.
type profile struct {
	Schema           string          `json:"$schema"`
	DefaultAction    string          `json:"defaultAction"`
	DefaultErrnoRet  *uint           `json:"defaultErrnoRet"`
	DefaultErrno     string          `json:"defaultErrno"`
	Architectures    []string        `json:"architectures"`
	ArchMap          json.RawMessage `json:"archMap"` // of the calls of other machines, which end a worker
	Flags            []string        `json:"flags"`
	ListenerPath     string          `json:"listenerPath"`
	ListenerMetadata string          `json:"listenerMetadata"`
	Syscalls         []entry         `json:"syscalls"`
}

// entry is one of its rules, on one or more calls.
type entry struct {
	Name     string     `json:"name"` // of an old file
	Names    []string   `json:"names"`
	Action   string     `json:"action"`
	ErrnoRet *uint      `json:"errnoRet"`
	Errno    string     `json:"errno"`
	Args     []argument `json:"args"`
	Comment  string     `json:"comment"`
	Includes conditions `json:"includes"`
	Excludes conditions `json:"excludes"`
}

type argument struct {
	Index    uint   `json:"index"`
	Value    uint64 `json:"value"`
	ValueTwo uint64 `json:"valueTwo"`
	Op       string `json:"op"`
}

// conditions say for which containers and machines an entry is meant.
type conditions struct {
	Caps      []string `json:"caps"`
	Arches    []string `json:"arches"`
	MinKernel string   `json:"minKernel"`
}

// Read reads a profile's bytes. The error is errdefs.ErrFailedPrecondition for a
// file that cannot be read.
func Read(path string) ([]byte, error) {
	raw, err := readRegular(path)
	if err == nil {
		return raw, nil
	}
	if pathErr, ok := errors.AsType[*os.PathError](err); ok {
		err = pathErr.Err
	}
	return nil, fmt.Errorf("seccomp profile %s: %w: %w", path, err, errdefs.ErrFailedPrecondition)
}

// readRegular takes only an ordinary file: a FIFO in its place would never end.
func readRegular(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil {
		return nil, err
	} else if !st.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	return io.ReadAll(io.LimitReader(f, MaxProfile+1))
}

// Parse understands a profile. One that is none, or asks for what a worker
// cannot have, is errdefs.ErrInvalidArgument.
func Parse(raw []byte) (*Policy, error) {
	if len(raw) > MaxProfile {
		return nil, invalid("larger than %d bytes", MaxProfile)
	}
	var p profile
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return nil, invalid("%w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, invalid("something follows the profile")
	}
	return p.policy()
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %w", fmt.Errorf(format, args...), errdefs.ErrInvalidArgument)
}
