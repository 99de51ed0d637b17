// SPDX-License-Identifier: Apache-2.0

package record

import (
	"fmt"

	"github.com/containerd/errdefs"
)

// maxIDLength is the longest id; with the suffix it stays far below NAME_MAX.
const maxIDLength = 128

// ValidateID says whether id can name a record: 1 to 128 characters of
// [a-z0-9.-], the first a letter or a digit, so that it is a file name in its
// directory and nothing else. The error is errdefs.ErrInvalidArgument.
func ValidateID(id string) error {
	if id == "" || len(id) > maxIDLength {
		return fmt.Errorf("record id of %d characters: want 1 to %d: %w", len(id), maxIDLength, errdefs.ErrInvalidArgument)
	}
	for i := range len(id) {
		switch c := id[i]; {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
		case i > 0 && (c == '.' || c == '-'):
		default:
			return fmt.Errorf("record id %q: character %q at %d: %w", id, c, i, errdefs.ErrInvalidArgument)
		}
	}
	return nil
}
