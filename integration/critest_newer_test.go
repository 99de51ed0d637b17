// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"strings"
	"testing"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/integration/critest"
)

// TestNewerSpecs are those of the CRI validation suite for image volumes and pod
// metrics that its release does not have yet.
func TestNewerSpecs(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.critestImages()
	const busybox = critest.Busybox
	n.pull(busybox)
	config := n.sandboxConfig("newer")
	sandbox := n.sandbox(config)
	request := func(name string, mounts ...*runtimeapi.Mount) *runtimeapi.CreateContainerRequest {
		r := n.containerRequest(sandbox, config, name, busybox)
		r.Config.Command = []string{"top"}
		r.Config.Mounts = mounts
		return r
	}
	volume := func(subPath string, readOnly bool) *runtimeapi.Mount {
		return &runtimeapi.Mount{
			ContainerPath: "/mnt", Readonly: readOnly, Image: &runtimeapi.ImageSpec{Image: busybox, UserSpecifiedImage: busybox}, ImageSubPath: subPath,
		}
	}
	for name, mount := range map[string]*runtimeapi.Mount{"writable": volume("", false), "absent": volume("no/such/path", true)} {
		if r, err := n.runtime().CreateContainer(n.ctx, request(name, mount)); err == nil {
			t.Errorf("a %s image volume gave container %s", name, r.ContainerId)
		}
	}

	whole := n.begin(request("whole", volume("", true)))
	n.execs(whole, 0, "/mnt/bin/sh\n", "ls", "/mnt/bin/sh")
	n.execs(whole, 0, "index.html\n", "/mnt/bin/ls", "/mnt/www") // a program of the volume
	n.execs(whole, 1, "Read-only file system", "touch", "/mnt/new")
	for _, m := range n.status(whole).Mounts {
		if m.ContainerPath == "/mnt" && m.Image.GetImage() == "" {
			t.Errorf("the status tells of no image: %v", m)
		}
	}
	part := n.begin(request("part", volume("etc/passwd", true)))
	n.execs(part, 0, "www-data:x:33:33", "cat", "/mnt")

	descriptors, err := n.runtime().ListMetricDescriptors(n.ctx, &runtimeapi.ListMetricDescriptorsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	labels := map[string]int{}
	for _, d := range descriptors.Descriptors {
		labels[d.Name] = len(d.LabelKeys)
	}
	metrics, err := n.runtime().ListPodSandboxMetrics(n.ctx, &runtimeapi.ListPodSandboxMetricsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if len(metrics.PodMetrics) != 1 || len(metrics.PodMetrics[0].ContainerMetrics) != 2 {
		t.Fatalf("metrics of %v, want those of one sandbox with two containers", metrics.PodMetrics)
	}
	for _, m := range metrics.PodMetrics[0].ContainerMetrics[0].Metrics {
		if keys, described := labels[m.Name]; !described || keys != len(m.LabelValues) {
			t.Errorf("%s has %d labels, and is described with %d (%v)", m.Name, len(m.LabelValues), keys, described)
		}
	}
}

// begin creates and starts a container and returns its id.
func (n *node) begin(request *runtimeapi.CreateContainerRequest) string {
	n.t.Helper()
	id := n.create(request)
	if _, err := n.runtime().StartContainer(n.ctx, &runtimeapi.StartContainerRequest{ContainerId: id}); err != nil {
		n.t.Fatal(err)
	}
	return id
}

// execs runs a command in a container that is to end with the code and to say the
// text.
func (n *node) execs(id string, code int32, text string, command ...string) {
	n.t.Helper()
	r, err := n.runtime().ExecSync(n.ctx, &runtimeapi.ExecSyncRequest{ContainerId: id, Cmd: command, Timeout: 30})
	if err != nil {
		n.t.Fatal(err)
	}
	if said := string(r.Stdout) + string(r.Stderr); r.ExitCode != code || !strings.Contains(said, text) {
		n.t.Errorf("%q ended with %d and said %q, want %d and %q", command, r.ExitCode, said, code, text)
	}
}
