// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"fmt"
	"math"
	"strings"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/runtime"
	"github.com/wazelet/wazelet/runtime/lsm"
)

// Why the refusals below are what they are: every worker runs without
// capabilities, with no_new_privs and under a seccomp filter of its own, and a
// Wasm guest cannot make system calls at all. So capabilities, no_new_privs,
// seccomp RuntimeDefault and Unconfined change nothing and are accepted; a
// seccomp profile of the node is a further filter. Privileged would take walls
// away that stay.
const (
	whyNotPrivileged = "a Wasm container cannot be privileged: a guest makes no system calls, and has no devices but those it is given"
)

// validateSandboxSecurity refuses what a pod asks for and would not get. That it
// is privileged says only that one of its containers may be: that one is refused.
func validateSandboxSecurity(sc *runtimeapi.LinuxSandboxSecurityContext) error {
	const field = "config.linux.security_context"
	if err := validateNamespaces(field+".namespace_options", sc.GetNamespaceOptions()); err != nil {
		return err
	}
	// The sandbox has no process of its own; the rule on its user holds
	// nevertheless (LinuxSandboxSecurityContext.run_as_group).
	if sc.GetRunAsGroup() != nil && sc.GetRunAsUser() == nil {
		return invalid(field+".run_as_group", "needs run_as_user")
	}
	return validateProfiles(field, profiles{
		seccomp: sc.GetSeccomp(), seccompPath: sc.GetSeccompProfilePath(), //nolint:staticcheck // old clients still send the deprecated field
		apparmor: sc.GetApparmor(), selinux: sc.GetSelinuxOptions(),
	})
}

// validateContainerSecurity refuses what a container asks for and would not
// get.
func validateContainerSecurity(sc *runtimeapi.LinuxContainerSecurityContext) error {
	const field = "config.linux.security_context"
	if sc.GetPrivileged() {
		return invalid(field+".privileged", "%s", whyNotPrivileged)
	}
	if err := validateNamespaces(field+".namespace_options", sc.GetNamespaceOptions()); err != nil {
		return err
	}
	if err := validatePaths(field+".masked_paths", sc.GetMaskedPaths()); err != nil {
		return err
	}
	if err := validatePaths(field+".readonly_paths", sc.GetReadonlyPaths()); err != nil {
		return err
	}
	return validateProfiles(field, profiles{
		seccomp: sc.GetSeccomp(), seccompPath: sc.GetSeccompProfilePath(), //nolint:staticcheck // old clients still send the deprecated field
		apparmor: sc.GetApparmor(), apparmorPath: sc.GetApparmorProfile(), //nolint:staticcheck // likewise
		selinux: sc.GetSelinuxOptions(),
	})
}

// profiles are the mandatory access control a pod or container asks for, in
// the present form and in the deprecated one of a single string.
type profiles struct {
	seccomp, apparmor         *runtimeapi.SecurityProfile
	seccompPath, apparmorPath string
	selinux                   *runtimeapi.SELinuxOption
}

func validateProfiles(field string, p profiles) error {
	if _, err := seccompProfile(field, p.seccomp, p.seccompPath); err != nil {
		return err
	}
	profile, err := appArmorProfile(field, p.apparmor, p.apparmorPath)
	if err != nil {
		return err
	}
	if profile != "" {
		if err := lsm.RequireAppArmor(profile); err != nil {
			return invalid(appArmorField(field, p.apparmor), "%s", err)
		}
	}
	_, err = selinuxLabels(field, p.selinux)
	return err
}

// selinuxLabels are the labels of what a pod or container asks for; none for one
// that asks for nothing.
func selinuxLabels(field string, o *runtimeapi.SELinuxOption) (lsm.Labels, error) {
	asked := lsm.SELinux{User: o.GetUser(), Role: o.GetRole(), Type: o.GetType(), Level: o.GetLevel()}
	if asked == (lsm.SELinux{}) {
		return lsm.Labels{}, nil
	}
	for _, text := range []string{asked.User, asked.Role, asked.Type, asked.Level} {
		if err := validateText(field+".selinux_options", text, maxName); err != nil {
			return lsm.Labels{}, err
		}
	}
	labels, err := asked.Labels()
	if err != nil {
		return lsm.Labels{}, invalid(field+".selinux_options", "%s", err)
	}
	return labels, nil
}

// validateProfile says whether it is a profile of the node that is asked for.
func validateProfile(field string, p *runtimeapi.SecurityProfile) (ofNode bool, err error) {
	switch p.GetProfileType() {
	case runtimeapi.SecurityProfile_RuntimeDefault, runtimeapi.SecurityProfile_Unconfined:
		return false, nil
	case runtimeapi.SecurityProfile_Localhost:
		return true, nil
	default:
		return false, invalid(field+".profile_type", "%d is not a profile type", p.GetProfileType())
	}
}

// localhost marks a profile of the node in the deprecated fields.
const localhost = "localhost/"

// seccompProfile is the path of the node's profile that is asked for, "" when
// the worker's own filter is enough. The present field wins.
func seccompProfile(field string, p *runtimeapi.SecurityProfile, deprecated string) (string, error) {
	if p == nil {
		path, ok := strings.CutPrefix(deprecated, localhost)
		if !ok {
			return "", nil
		}
		return path, requirePath(field+".seccomp_profile_path", path)
	}
	if ofNode, err := validateProfile(field+".seccomp", p); !ofNode {
		return "", err
	}
	return p.GetLocalhostRef(), requirePath(field+".seccomp.localhost_ref", p.GetLocalhostRef())
}

// appArmorProfile is the name of the node's profile that is asked for, "" when
// the worker's own walls are enough. The present field wins, and may have the
// prefix of the deprecated one.
func appArmorProfile(field string, p *runtimeapi.SecurityProfile, deprecated string) (string, error) {
	if p == nil {
		name, ok := strings.CutPrefix(deprecated, localhost)
		if !ok {
			return "", nil
		}
		return name, requireName(appArmorField(field, p), name)
	}
	if ofNode, err := validateProfile(field+".apparmor", p); !ofNode {
		return "", err
	}
	name := strings.TrimPrefix(p.GetLocalhostRef(), localhost)
	return name, requireName(appArmorField(field, p), name)
}

// appArmorField is the field that names a profile of the node.
func appArmorField(field string, p *runtimeapi.SecurityProfile) string {
	if p == nil {
		return field + ".apparmor_profile"
	}
	return field + ".apparmor.localhost_ref"
}

// user converts whom a container runs as, by the rules of
// LinuxContainerSecurityContext.
func user(sc *runtimeapi.LinuxContainerSecurityContext) (runtime.User, error) {
	const field = "config.linux.security_context"
	u := runtime.User{Name: sc.GetRunAsUsername()}
	if err := validateText(field+".run_as_username", u.Name, maxName); err != nil {
		return u, err
	}
	if v := sc.GetRunAsUser(); v != nil {
		if u.Name != "" {
			return u, invalid(field+".run_as_username", "%q and run_as_user %d exclude each other", u.Name, v.GetValue())
		}
		if err := validateOwner(field+".run_as_user", v.GetValue()); err != nil {
			return u, err
		}
		u.UID = &v.Value
	}
	if v := sc.GetRunAsGroup(); v != nil {
		if u.UID == nil && u.Name == "" {
			return u, invalid(field+".run_as_group", "needs run_as_user or run_as_username")
		}
		if err := validateOwner(field+".run_as_group", v.GetValue()); err != nil {
			return u, err
		}
		u.GID = &v.Value
	}
	groups := sc.GetSupplementalGroups()
	if len(groups) > maxGroups {
		return u, invalid(field+".supplemental_groups", "%d groups are more than %d", len(groups), maxGroups)
	}
	for i, g := range groups {
		if err := validateOwner(fmt.Sprintf("%s.supplemental_groups[%d]", field, i), g); err != nil {
			return u, err
		}
	}
	u.Groups = groups
	switch policy := sc.GetSupplementalGroupsPolicy(); policy {
	case runtimeapi.SupplementalGroupsPolicy_Merge:
	case runtimeapi.SupplementalGroupsPolicy_Strict:
		u.StrictGroups = true
	default:
		return u, invalid(field+".supplemental_groups_policy", "%d is not a policy", policy)
	}
	return u, nil
}

// validateOwner checks a uid or gid; the highest number means "no change" to
// the kernel.
func validateOwner(field string, id int64) error {
	if id < 0 || id >= math.MaxUint32 {
		return invalid(field, "%d is not between 0 and %d", id, int64(math.MaxUint32)-1)
	}
	return nil
}
