// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"fmt"
	"path/filepath"
	"strings"
	"unicode/utf8"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/runtime"
)

// memoryGrowAnnotation is the pod annotation that chooses what happens at the
// memory limit: "fail" lets memory.grow fail in the guest, where the default
// is an OOM kill as for any container.
const memoryGrowAnnotation = "wazelet.dev/memory-grow"

// containerConfig validates and converts what CreateContainer asks for. The
// image's id and what the pod's annotations say are the caller's to add.
func containerConfig(c *runtimeapi.ContainerConfig) (runtime.Config, error) {
	if c == nil {
		return runtime.Config{}, invalid("config", "required")
	}
	if err := validateContainer(c); err != nil {
		return runtime.Config{}, err
	}
	env, err := environment(c.GetEnvs())
	if err != nil {
		return runtime.Config{}, err
	}
	volumes, err := mounts(c.GetMounts())
	if err != nil {
		return runtime.Config{}, err
	}
	nodes, err := devices(c.GetDevices())
	if err != nil {
		return runtime.Config{}, err
	}
	named, err := cdiDevices(c.GetCDIDevices())
	if err != nil {
		return runtime.Config{}, err
	}
	limits, err := containerResources("config.linux.resources", c.GetLinux().GetResources())
	if err != nil {
		return runtime.Config{}, err
	}
	security := c.GetLinux().GetSecurityContext()
	runsAs, err := user(security)
	if err != nil {
		return runtime.Config{}, err
	}
	signal, err := stopSignal(c.GetStopSignal())
	if err != nil {
		return runtime.Config{}, err
	}
	config := runtime.Config{
		Name:          c.GetMetadata().GetName(),
		Attempt:       c.GetMetadata().GetAttempt(),
		ImageRef:      userImage(c.GetImage()),
		Command:       c.GetCommand(),
		Args:          c.GetArgs(),
		Env:           env,
		WorkingDir:    c.GetWorkingDir(),
		Labels:        c.GetLabels(),
		Annotations:   c.GetAnnotations(),
		Mounts:        volumes,
		Devices:       nodes,
		CDIDevices:    named,
		LogPath:       c.GetLogPath(),
		Resources:     limits,
		OOMScoreAdj:   int(c.GetLinux().GetResources().GetOomScoreAdj()),
		User:          runsAs,
		ReadOnlyRoot:  security.GetReadonlyRootfs(),
		MaskedPaths:   security.GetMaskedPaths(),
		ReadonlyPaths: security.GetReadonlyPaths(),
		Stdin:         c.GetStdin(),
		StdinOnce:     c.GetStdinOnce(),
		TTY:           c.GetTty(),
		StopSignal:    signal,
	}
	return config, confinement(&config, security)
}

// confinement adds what further confines a container: filter, profile and labels.
func confinement(config *runtime.Config, security *runtimeapi.LinuxContainerSecurityContext) (err error) {
	const field = "config.linux.security_context"
	if config.SeccompProfile, err = seccompProfile(field, security.GetSeccomp(), security.GetSeccompProfilePath()); err != nil { //nolint:staticcheck // old clients still send the deprecated field
		return err
	}
	if config.AppArmorProfile, err = appArmorProfile(field, security.GetApparmor(), security.GetApparmorProfile()); err != nil { //nolint:staticcheck // likewise
		return err
	}
	config.SELinux, err = selinuxLabels(field, security.GetSelinuxOptions())
	return err
}

// validateContainer checks every field that is taken over as it is.
func validateContainer(c *runtimeapi.ContainerConfig) error {
	if err := validateSize("config", c); err != nil {
		return err
	}
	if err := requireName("config.metadata.name", c.GetMetadata().GetName()); err != nil {
		return err
	}
	if err := requireImage("config.image", c.GetImage()); err != nil {
		return err
	}
	if err := validateText("config.image.user_specified_image", c.GetImage().GetUserSpecifiedImage(), maxImageRef); err != nil {
		return err
	}
	if err := validateWords("config.command", c.GetCommand()); err != nil {
		return err
	}
	if err := validateWords("config.args", c.GetArgs()); err != nil {
		return err
	}
	if err := validateOptionalPath("config.working_dir", c.GetWorkingDir()); err != nil {
		return err
	}
	if err := validateLogPath(c.GetLogPath()); err != nil {
		return err
	}
	return validateContainerSecurity(c.GetLinux().GetSecurityContext())
}

// validateWords keeps NUL bytes out of arguments: WASI hands them over as C
// strings.
func validateWords(field string, words []string) error {
	for i, w := range words {
		if err := validateText(fmt.Sprintf("%s[%d]", field, i), w, maxConfig); err != nil {
			return err
		}
	}
	return nil
}

// environment converts variables to KEY=value, in their order. WASI's strings
// are Unicode, so a value must be UTF-8.
func environment(envs []*runtimeapi.KeyValue) ([]string, error) {
	list := make([]string, 0, len(envs))
	for i, e := range envs {
		field := fmt.Sprintf("config.envs[%d]", i)
		key, value := e.GetKey(), string(e.GetValue())
		if key == "" || strings.ContainsAny(key, "=\x00") {
			return nil, invalid(field+".key", "%q is not the name of a variable", clean(key, 256))
		}
		if !utf8.ValidString(value) {
			return nil, invalid(field+".value", "the value of %s is not UTF-8", clean(key, 256))
		}
		if err := validateText(field+".value", value, maxConfig); err != nil {
			return nil, err
		}
		list = append(list, key+"="+value)
	}
	return list, nil
}

// validateLogPath keeps a log below its pod's log directory.
func validateLogPath(path string) error {
	if err := validateText("config.log_path", path, maxPath); err != nil {
		return err
	}
	if path != "" && !filepath.IsLocal(path) {
		return invalid("config.log_path", "%q is not a path below the pod's log directory", path)
	}
	return nil
}

// devices validates and converts the devices of a container.
func devices(asked []*runtimeapi.Device) ([]runtime.Device, error) {
	var list []runtime.Device
	for i, d := range asked {
		field := fmt.Sprintf("config.devices[%d]", i)
		if err := requirePath(field+".host_path", d.GetHostPath()); err != nil {
			return nil, err
		}
		if err := requirePath(field+".container_path", d.GetContainerPath()); err != nil {
			return nil, err
		}
		if p := d.GetPermissions(); len(p) > 3 || strings.Trim(p, "rwm") != "" {
			return nil, invalid(field+".permissions", "%q is not made of r, w and m", clean(p, 16))
		}
		list = append(list, runtime.Device{HostPath: d.GetHostPath(), ContainerPath: d.GetContainerPath(), Permissions: d.GetPermissions()})
	}
	return list, nil
}

// cdiDevices validates the names of devices; what they mean is the runtime's to
// find.
func cdiDevices(asked []*runtimeapi.CDIDevice) ([]string, error) {
	var names []string
	for i, d := range asked {
		if err := requireName(fmt.Sprintf("config.CDI_devices[%d].name", i), d.GetName()); err != nil {
			return nil, err
		}
		names = append(names, d.GetName())
	}
	return names, nil
}

// memoryGrowFail reads the pod's annotation on growth past the memory limit.
func memoryGrowFail(annotations map[string]string) (bool, error) {
	switch value, ok := annotations[memoryGrowAnnotation]; {
	case !ok:
		return false, nil
	case value == "fail":
		return true, nil
	default:
		return false, invalid("config.annotations["+memoryGrowAnnotation+"]", "%q is not a choice (known: fail)", clean(value, 256))
	}
}

// userImage is the image as the user wrote it; a client that is not the kubelet
// says it in the first field only.
func userImage(image *runtimeapi.ImageSpec) string {
	if ref := image.GetUserSpecifiedImage(); ref != "" {
		return ref
	}
	return image.GetImage()
}
