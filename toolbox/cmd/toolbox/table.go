// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/wazelet/wazelet/toolbox/archive"
	"github.com/wazelet/wazelet/toolbox/command"
	"github.com/wazelet/wazelet/toolbox/condition"
	"github.com/wazelet/wazelet/toolbox/files"
	"github.com/wazelet/wazelet/toolbox/network"
	"github.com/wazelet/wazelet/toolbox/shell"
	"github.com/wazelet/wazelet/toolbox/system"
	"github.com/wazelet/wazelet/toolbox/text"
)

// table has every command there is.
func table() *command.Table {
	return command.NewTable(
		shell.Commands(), condition.Commands(), files.Commands(), text.Commands(),
		archive.Commands(), system.Commands(), network.Commands(),
	)
}
