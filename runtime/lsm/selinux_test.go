// SPDX-License-Identifier: Apache-2.0

package lsm

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestLabelsAreRequired: no node has labels of this type.
func TestLabelsAreRequired(t *testing.T) {
	l, err := SELinux{Type: "wazelet_nowhere_t", Level: "s0:c1"}.Labels()
	if err == nil || !strings.Contains(err.Error(), "SELinux") || l != (Labels{}) {
		t.Errorf("%+v, %v", l, err)
	}
}

// TestWithoutALabel nothing of the node is touched.
func TestWithoutALabel(t *testing.T) {
	var none Labels
	if err := errors.Join(none.SetFile("/nowhere"), none.Relabel("/nowhere")); err != nil {
		t.Error(err)
	}
	fault := errors.New("fault")
	if err := WithSocketLabel("", func() error { return fault }); !errors.Is(err, fault) {
		t.Error(err)
	}
}

func TestFileSystemsWithoutLabels(t *testing.T) {
	for err, want := range map[error]bool{nil: false, unix.ENOTSUP: false, unix.EACCES: true} {
		if got := labelError("/volume", "a:b:c:s0", err); (got != nil) != want || want && !errors.Is(got, err) {
			t.Errorf("%v: %v", err, got)
		}
	}
}
