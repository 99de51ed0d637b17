// SPDX-License-Identifier: Apache-2.0

package lsm

import (
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/containerd/errdefs"
)

func TestLoadedProfiles(t *testing.T) {
	const list = "web (enforce)\n/usr/sbin/tcpdump (complain)\nmy own//child (kill)\n:space://web2 (enforce)\nlast (unconfined)"
	for name, want := range map[string]bool{
		"web": true, "/usr/sbin/tcpdump": true, "my own//child": true, ":space://web2": true, "last": true,
		"we": false, "web2": false, "web (enforce)": false, "": false, "my own": false,
	} {
		if got, err := hasProfile(strings.NewReader(list), name); err != nil || got != want {
			t.Errorf("%q: %t, %v", name, got, err)
		}
	}
	fault := errors.New("fault")
	if _, err := hasProfile(iotest.ErrReader(fault), "web"); !errors.Is(err, fault) {
		t.Errorf("a list that cannot be read: %v", err)
	}
}

// TestAppArmorIsRequired: no node has a profile of this name.
func TestAppArmorIsRequired(t *testing.T) {
	err := RequireAppArmor("wazelet-test-nowhere")
	if !errdefs.IsFailedPrecondition(err) || !strings.Contains(err.Error(), "AppArmor profile wazelet-test-nowhere: ") {
		t.Error(err)
	}
}
