// SPDX-License-Identifier: Apache-2.0

package streaming

import (
	"k8s.io/cri-streaming/pkg/streaming"
)

// target is where streams lead, as the library wants it: one part for each kind
// of stream.
type target struct {
	forwarder
	commander
}

var _ streaming.Runtime = target{}
