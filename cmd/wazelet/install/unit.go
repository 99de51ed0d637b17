// SPDX-License-Identifier: Apache-2.0

package install

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/coreos/go-systemd/v22/unit"

	"github.com/wazelet/wazelet/packaging"
)

// unitDir is where an administrator's units are, which win over those of packages.
const unitDir = "/etc/systemd/system"

// dropInName makes the drop-ins sort behind those of others.
const dropInName = "99-wazelet.conf"

// unitFile is one of the files that a unit is made of, in the order systemd reads
// them.
type unitFile struct {
	path    string
	content []byte
}

// execStart is the command that a service is started with, as its files have it:
// variables are not put in yet, so that what changes in them later stays in force.
// by is the file that has it.
func execStart(files []unitFile) (command, by string, err error) {
	var commands []string
	for _, file := range files {
		options, err := unit.DeserializeOptions(bytes.NewReader(file.content))
		if err != nil {
			return "", "", fmt.Errorf("%s: %w", file.path, err)
		}
		for _, option := range options {
			if option.Section != "Service" || option.Name != "ExecStart" {
				continue
			}
			if option.Value == "" { // takes back all before it
				commands = nil
				continue
			}
			commands, by = append(commands, option.Value), file.path
		}
	}
	if len(commands) != 1 {
		return "", "", fmt.Errorf("the kubelet's unit has %d commands in ExecStart, not one", len(commands))
	}
	return commands[0], by, nil
}

// kubeletDropIn is the drop-in for the kubelet's unit: ordered after Wazelet, and with
// flags behind the command it has now, if flags are needed.
func kubeletDropIn(command string, flags []string) []byte {
	if len(flags) == 0 {
		return []byte(packaging.KubeletUnit)
	}
	var b strings.Builder
	b.WriteString(packaging.KubeletUnit)
	b.WriteString("\n# Of a flag given twice the kubelet takes the last one. The rest is the command that\n" +
		"# the unit had when Wazelet was installed.\n[Service]\nExecStart=\nExecStart=" + command)
	for _, flag := range flags {
		b.WriteString(" " + flag)
	}
	b.WriteString("\n")
	return []byte(b.String())
}

// daemonUnit is the unit of wazelet serve, for programs in a directory and a
// configuration.
func daemonUnit(binDir, config, defaultConfig string) []byte {
	serve := filepath.Join(binDir, "wazelet") + " serve"
	if config != defaultConfig {
		serve += " --config " + config
	}
	return []byte(strings.Replace(packaging.Unit, packaging.ServeCommand, serve, 1))
}
