// SPDX-License-Identifier: Apache-2.0

package imageservice

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if act := childActs[os.Getenv(childEnv)]; act != nil {
		os.Exit(act(os.Args[1:]))
	}
	goleak.VerifyTestMain(m)
}
