// SPDX-License-Identifier: Apache-2.0

package launch_test

import (
	"testing"

	"github.com/wazelet/wazelet/runtime/engine/enginetest"
)

func TestGuestRunsToItsEnd(t *testing.T) {
	c := define(t, guestPath, "args", "env,GREETING", "cwd")
	c.options.Spec.Env = []string{"GREETING=hello, world", "PWD=/"}
	c.output("args: /guest.wasm args env,GREETING cwd", "env,GREETING: hello, world", "cwd: /")
}

func TestExitCodeIsTheGuestsOwn(t *testing.T) {
	for code, want := range map[int32]int32{0: 0, 3: 3, 255: 255, 256: 0, -1: 255} {
		exit, _ := define(t, moduleFile(t, enginetest.Exit(code))).run()
		if exit.Code != want {
			t.Errorf("proc_exit(%d): code %d, want %d", code, exit.Code, want)
		}
	}
}
