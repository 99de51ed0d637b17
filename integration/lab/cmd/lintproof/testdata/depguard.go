// SPDX-License-Identifier: Apache-2.0

// Package fault has one.
package fault

import (
	_ "github.com/pkg/errors" // want depguard "fmt.Errorf with %w"
	_ "io/ioutil"             // want depguard "live in io and os"
	_ "log"                   // want depguard "github.com/containerd/log"
	_ "log/slog"              // want depguard "github.com/containerd/log"
	_ "math/rand"             // want depguard "crypto/rand"
)
