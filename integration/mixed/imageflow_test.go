// SPDX-License-Identifier: Apache-2.0

package mixed_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/wazelet/wazelet/integration/lab"
	"github.com/wazelet/wazelet/integration/lab/image"
)

// shell is a pod that says a word and ends.
const shell = `
CLASS
restartPolicy: Never
PULL
containers: [{name: main, image: IMAGE, imagePullPolicy: IfNotPresent, command: [sh, -c, "echo ran"]}]`

// TestImageOfTheOtherSide: an image that only the other side has is shown to the
// kubelet, which does not pull it, and the pod runs.
func TestImageOfTheOtherSide(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	const wasmRef, nativeRef = lab.Registry + "/flow/wasm:1", lab.Registry + "/flow/native:1"
	// containerd takes images of the machine's own platform only; that this one is Wasm is
	// told by its entrypoint.
	config := image.ToolboxConfig()
	config.Platform, config.Entrypoint, config.Cmd = nativePlatform, []string{"/bin/toolbox.wasm"}, nil
	must(t, pushToolbox(s.ctx, wasmRef, config), pushBusybox(s.ctx, nativeRef, image.Config{Labels: map[string]string{"flow": "1"}}))
	_, err := cluster.ContainerdCrictl(s.ctx, "pull", wasmRef)
	must(t, err)
	_, err = cluster.Wazelet(s.ctx, "image", "pull", nativeRef)
	must(t, err)

	for name, fill := range map[string][2]string{
		"wasm":   {"runtimeClassName: wasm", wasmRef},
		"hybrid": {"runtimeClassName: hybrid", wasmRef},
		"native": {"", nativeRef},
	} {
		s.pod(name, replace(replace(replace(shell, "CLASS", fill[0]), "IMAGE", fill[1]), "PULL", ""))
	}
	for _, name := range []string{"wasm", "hybrid", "native"} {
		s.wait(name, lab.Succeeded)
		equal(t, name, s.logs(name), "ran\n")
		s.event(name, "Pulled", "already present on machine")
	}
}

// TestPullSecrets: an image of either kind in a registry that wants credentials is
// pulled with the pod's secret, and not without.
func TestPullSecrets(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	const wasmRef, nativeRef = lab.PrivateRegistry + "/secret/wasm:1", lab.PrivateRegistry + "/secret/native:1"
	must(t, pushToolbox(s.ctx, wasmRef, image.ToolboxConfig()), pushBusybox(s.ctx, nativeRef, image.Config{}))
	s.in("create", "secret", "docker-registry", "registry", "--docker-server="+lab.PrivateRegistry,
		"--docker-username="+lab.RegistryUser, "--docker-password="+lab.RegistryPassword)
	pods := map[string][2]string{
		"wasm":          {"runtimeClassName: wasm", wasmRef},
		"native":        {"", nativeRef},
		"hybrid-wasm":   {"runtimeClassName: hybrid", wasmRef},
		"hybrid-native": {"runtimeClassName: hybrid", nativeRef},
	}
	for name, fill := range pods {
		spec := replace(replace(shell, "CLASS", fill[0]), "IMAGE", fill[1])
		s.pod(name+"-refused", replace(spec, "PULL", ""))
	}
	for name := range pods {
		s.event(name+"-refused", "Failed", "secret/", "auth")
	}
	for name, fill := range pods {
		spec := replace(replace(shell, "CLASS", fill[0]), "IMAGE", fill[1])
		s.pod(name, replace(spec, "PULL", "imagePullSecrets: [{name: registry}]"))
	}
	for name := range pods {
		s.wait(name, lab.Succeeded)
		equal(t, name, s.logs(name), "ran\n")
	}
}

// TestPrune removes the images that nobody uses from both sides, and no others.
func TestPrune(t *testing.T) { // alone: it removes what others are about to use
	s := newSpace(t)
	const both, used = lab.Registry + "/prune/both:1", lab.Registry + "/prune/used:1"
	config := image.ToolboxConfig()
	config.Platform = nativePlatform
	must(t, pushToolbox(s.ctx, both, config))
	config.Labels = map[string]string{"used": "yes"}
	must(t, pushToolbox(s.ctx, used, config))
	for _, ref := range []string{both, used} {
		_, err := cluster.ContainerdCrictl(s.ctx, "pull", ref)
		must(t, err)
		_, err = cluster.Wazelet(s.ctx, "image", "pull", ref)
		must(t, err)
	}
	s.pod("user", "runtimeClassName: wasm\nterminationGracePeriodSeconds: 1\ncontainers: [{name: main, image: '"+used+"', command: [sleep, '600']}]")
	s.wait("user", lab.Ready)
	equal(t, "images of this name", s.images(both), 1)

	_, err := cluster.Crictl(s.ctx, "rmi", "--prune")
	must(t, err)
	equal(t, "images of the name of an unused image", s.images(both), 0)
	equal(t, "images of the name of one in use", s.images(used), 1)
	for what, list := range map[string]func() (lab.Output, error){
		"wazelet":    func() (lab.Output, error) { return cluster.Wazelet(s.ctx, "image", "ls") },
		"containerd": func() (lab.Output, error) { return cluster.Ctr(s.ctx, "images", "ls", "-q") },
	} {
		out, err := list()
		must(t, err)
		if strings.Contains(out.Stdout, "prune/both") {
			t.Errorf("%s still has the image:\n%s", what, out.Stdout)
		}
	}
	// What others run on is there.
	for _, ref := range []string{lab.PauseImage, lab.Registry + "/kube-proxy:1", lab.Registry + "/coredns:1"} {
		equal(t, ref, s.images(ref), 1)
	}
	s.in("delete", "pod", "user", "--wait", "--timeout=60s")
}

// images counts the node's images of a name.
func (s *space) images(name string) int {
	s.t.Helper()
	out, err := cluster.Crictl(s.ctx, "images", "-o", "json")
	must(s.t, err)
	var list struct{ Images []struct{ RepoTags []string } }
	must(s.t, json.Unmarshal([]byte(out.Stdout), &list))
	n := 0
	for _, i := range list.Images {
		if slices.Contains(i.RepoTags, name) {
			n++
		}
	}
	return n
}

// TestRefusals tell what to do where the image and the RuntimeClass do not fit.
func TestRefusals(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.pod("native-in-wasm", "runtimeClassName: wasm\ncontainers: [{name: main, image: '"+busybox+"', command: [sh, -c, exit]}]")
	s.pod("wasm-in-native", "containers: [{name: main, image: '"+webWasm+"'}]")
	s.event("native-in-wasm", "Failed", "the image is not WebAssembly", "RuntimeClass", "hybrid")
	// containerd's own words: its image of a Wasm artifact has nothing to run.
	message := s.event("wasm-in-native", "Failed", "no command specified")
	if !strings.HasPrefix(message, "Error: failed to generate container") {
		t.Errorf("the event of a Wasm image without a RuntimeClass is not containerd's: %s", message)
	}
}
