// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"
)

// Exit reasons as the CRI shows them.
const (
	ReasonCompleted = "Completed"
	ReasonError     = "Error"
)

// Exit is the record a worker leaves when its guest has ended, one JSON
// object written at offset 0 of ExitFD in a single write. A worker that is
// gone without a record was killed.
type Exit struct {
	Code       int32     // as a shell would show it: 0 to 255
	Reason     string    // ReasonCompleted or ReasonError
	Message    string    // why, for a person: the first line of a trap; "" for a plain exit
	StartedAt  time.Time // when the gate opened
	FinishedAt time.Time
}

// ErrNoExit says that a worker ended without a word: it was killed.
var ErrNoExit = errors.New("no exit record")

const (
	// maxExit bounds, in bytes, what is read of an exit file. The Go runtime's
	// last words may be longer; their first line is what is wanted.
	maxExit = 64 << 10
	// exitCrash is the code of a worker that failed itself: 128 + SIGABRT.
	exitCrash  = 134
	maxMessage = 1024
)

// ReadExit reads the exit file that a worker had as ExitFD, as ParseExit does. A
// file that does not exist is ErrNoExit as well.
func ReadExit(path string) (Exit, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Exit{}, ErrNoExit
	}
	if err != nil {
		return Exit{}, fmt.Errorf("exit record: %w", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxExit))
	if err != nil {
		return Exit{}, fmt.Errorf("exit record: %w", err)
	}
	return ParseExit(raw)
}

// ParseExit reads the content of a worker's exit file: its record, nothing
// (ErrNoExit), or the Go runtime's last words when the worker itself crashed,
// which become an Exit without times.
func ParseExit(raw []byte) (Exit, error) {
	if len(raw) == 0 {
		return Exit{}, ErrNoExit
	}
	if raw[0] != '{' {
		first, _, _ := bytes.Cut(raw, []byte("\n"))
		words := strings.ToValidUTF8(string(first[:min(len(first), maxMessage)]), "�")
		return Exit{Code: exitCrash, Reason: ReasonError, Message: "worker crashed: " + words}, nil
	}
	var exit Exit
	if err := json.Unmarshal(raw, &exit); err != nil {
		return Exit{}, fmt.Errorf("exit record: %w", err)
	}
	return exit, nil
}
