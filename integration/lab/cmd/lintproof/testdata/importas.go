// SPDX-License-Identifier: Apache-2.0

// Package fault has one.
package fault

import (
	"runtime" // want importas "goruntime"

	cri "k8s.io/cri-api/pkg/apis/runtime/v1" // want importas "runtimeapi"
)

var (
	_ = runtime.GOOS
	_ cri.PodSandboxState
)
