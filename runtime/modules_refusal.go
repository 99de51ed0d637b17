// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/containerd/errdefs"

	"github.com/wazelet/wazelet/runtime/engine"
)

// failureFile holds a compiler's refusal, so that a module that cannot be compiled costs its compile once and not once
// per restart of its pod.
const failureFile = "failure.json"

// Refusal is the error of a module that the engine does not take. It is ErrInvalidArgument.
type Refusal struct {
	Words string       // the compiler's, for the module's author
	Info  *engine.Info // of the module, nil if it could not be read that far
}

// Error returns the compiler's words.
func (r *Refusal) Error() string { return r.Words + ": " + errdefs.ErrInvalidArgument.Error() }

// Unwrap returns ErrInvalidArgument.
func (r *Refusal) Unwrap() error { return errdefs.ErrInvalidArgument }

// newRefusal is made of what the compiler said, and of what it has told of the module in its folder. What that is, is not
// to be trusted, only to be shown.
func newRefusal(out string, said error) *Refusal {
	r := &Refusal{Words: strings.TrimSuffix(said.Error(), ": "+errdefs.ErrInvalidArgument.Error())}
	if info, err := engine.ReadInfo(out); err == nil {
		r.Info = &info
	}
	return r
}

// remember makes the compiler's folder an entry that holds the refusal. Nothing of what the compiler may have written is
// kept, nor is the folder, which was the compiler's.
func (r *Refusal) remember(dir string) error {
	raw, err := json.Marshal(r.Words)
	if err != nil {
		return err
	}
	if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700)); err != nil {
		return err
	}
	if r.Info != nil {
		if err := engine.WriteInfo(dir, *r.Info); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, failureFile), raw, 0o600)
}

// readRefusal returns the refusal that an entry holds as the error, nil if it holds none.
func readRefusal(dir string) error {
	raw, err := os.ReadFile(filepath.Join(dir, failureFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	r := &Refusal{}
	if err == nil {
		err = json.Unmarshal(raw, &r.Words)
	}
	if err != nil {
		return fmt.Errorf("module cache: remembered refusal: %w", err)
	}
	if info, err := engine.ReadInfo(dir); err == nil {
		r.Info = &info
	}
	return r
}
