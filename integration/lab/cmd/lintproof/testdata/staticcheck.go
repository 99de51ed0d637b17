// SPDX-License-Identifier: Apache-2.0

// Package fault has one.
package fault

import "time"

func wait() {
	time.Sleep(5) // want staticcheck "SA1004"
}

var _ = wait
