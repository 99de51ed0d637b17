// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

const cgroupRoot = "/sys/fs/cgroup"

// needed are the controllers that pods' limits and statistics come from.
var needed = []string{"cpu", "memory", "pids"}

func checkCgroup(_ context.Context, o Options) []Finding {
	findings := slices.Concat(examineCgroups(cgroupRoot), examineDriver(o.Config.Cgroup.Driver, "/run/systemd/system"))
	if len(findings) > 0 {
		return findings
	}
	if unified(cgroupRoot) {
		return ok("cgroup v2 with %s; driver %s", strings.Join(needed, ", "), o.Config.Cgroup.Driver)
	}
	return ok("cgroup v1 with %s; driver %s", strings.Join(needed, ", "), o.Config.Cgroup.Driver)
}

// unified reports whether a hierarchy is of cgroup v2 alone.
func unified(root string) bool {
	var fs unix.Statfs_t
	return unix.Statfs(root, &fs) == nil && fs.Type == unix.CGROUP2_SUPER_MAGIC
}

// examineCgroups looks for the controllers and whether groups can be made.
func examineCgroups(root string) []Finding {
	places := map[string]string{} // directories of the controllers there are
	if unified(root) {
		content, err := os.ReadFile(filepath.Join(root, "cgroup.controllers"))
		if err != nil {
			return fail("cgroup: "+err.Error(), "Mount cgroup2 on "+root+".")
		}
		for controller := range strings.FieldsSeq(string(content)) {
			places[controller] = root
		}
	} else {
		for _, controller := range needed {
			dir := filepath.Join(root, controller)
			if _, err := os.Stat(filepath.Join(dir, "cgroup.procs")); err == nil {
				places[controller] = dir
			}
		}
	}
	var findings []Finding
	for _, controller := range needed {
		switch dir, found := places[controller]; {
		case !found:
			findings = append(findings, fail(
				fmt.Sprintf("cgroup controller %s is missing: pods' limits on it cannot be kept", controller),
				fmt.Sprintf("Enable it at boot (for memory: `cgroup_enable=memory`) and mount it under %s.", root))...)
		case unix.Access(dir, unix.W_OK) != nil:
			findings = append(findings, fail(dir+" cannot be written: cgroups cannot be made",
				"Run wazelet as root, outside containers, or mount "+root+" read-write.")...)
		}
	}
	return findings
}

// examineDriver holds the configured driver against the init system: two
// masters of one hierarchy undo each other's work.
func examineDriver(driver, systemdDir string) []Finding {
	_, err := os.Stat(systemdDir) // as sd_booted(3) does
	booted := err == nil
	switch {
	case driver == "systemd" && !booted:
		return fail("cgroup.driver is systemd, but systemd does not run here", `Set cgroup.driver = "cgroupfs" and give cgroup.parent as a path.`)
	case driver == "cgroupfs" && booted:
		return warn("cgroup.driver is cgroupfs, but systemd manages the cgroups here",
			`Set cgroup.driver = "systemd" and cgroup.parent = "wazelet.slice"; the kubelet takes the driver over from Wazelet.`)
	}
	return nil
}
