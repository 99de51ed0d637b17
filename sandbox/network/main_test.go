// SPDX-License-Identifier: Apache-2.0

package network

import (
	"testing"

	"github.com/wazelet/wazelet/sandbox/internal/nodetest"
)

func TestMain(m *testing.M) { nodetest.Main(m) }
