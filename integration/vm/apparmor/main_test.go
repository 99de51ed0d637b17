// SPDX-License-Identifier: Apache-2.0

// The tests of this package run on a node with cgroup v2 and AppArmor, which the
// distributions boot.
package apparmor_test

import (
	"context"
	"os"
	"testing"

	"github.com/wazelet/wazelet/integration/guests/tiny"
	"github.com/wazelet/wazelet/integration/vm"
	"github.com/wazelet/wazelet/integration/vm/node"
)

// What the tests run.
var (
	pause = node.Image{Name: "pause", Programs: map[string][]byte{
		"main": tiny.Pause("ready\n"), "touch": tiny.Touch("tmp/command"), "hog": tiny.Hog(),
	}}
	spin  = node.Image{Name: "spin", Programs: map[string][]byte{"main": tiny.Spin()}}
	hog   = node.Image{Name: "hog", Programs: map[string][]byte{"main": tiny.Hog()}}
	touch = node.Image{Name: "touch", Programs: map[string][]byte{"main": tiny.Touch("tmp/made")}}
)

// wazelet is the daemon of all tests.
var wazelet *node.Node

func TestMain(m *testing.M) {
	machine := vm.Machine{
		Security: "landlock,yama,apparmor",
		Tools:    []string{"usr/sbin/apparmor_parser"},
		Prepare: func() (err error) {
			wazelet, err = node.Start(context.Background(), pause, spin, hog, touch)
			return err
		},
	}
	os.Exit(machine.Main(m))
}
