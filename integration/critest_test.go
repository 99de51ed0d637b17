// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/wazelet/wazelet/integration/guests/tiny"
	"github.com/wazelet/wazelet/integration/lab"
	"github.com/wazelet/wazelet/integration/lab/image"
)

// TestCritest runs those specs of the CRI validation suite that need neither exec
// nor programs of other images. Their list is testdata/critest.txt; every one of
// them must run and pass. The suite's busybox is an image whose top and sh sleep for
// ever.
func TestCritest(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.critestImages()
	specs := strings.Split(strings.TrimSpace(readFile(t, filepath.Join("testdata", "critest.txt"))), "\n")
	for i, spec := range specs {
		specs[i] = regexp.QuoteMeta(spec)
	}
	n.write("images.yaml", "defaultTestContainerImage: registry.example/critest/busybox:1\nwebServerTestImage: registry.example/critest/busybox:1\n")
	endpoint := "unix://" + n.socket()
	out, err := cluster.Command(n.ctx, "critest",
		"-runtime-endpoint", endpoint, "-image-endpoint", endpoint, "-runtime-handler", "wasm",
		"-test-images-file", filepath.Join(n.dir, "images.yaml"),
		"-ginkgo.focus", "("+strings.Join(specs, "|")+")$",
		"-ginkgo.no-color", "-ginkgo.json-report", filepath.Join(n.dir, "report.json"))
	if err != nil {
		t.Errorf("critest: %v\n%s", err, tail(out.Stdout, 16<<10))
	}
	passed := n.passedSpecs()
	for _, spec := range specs {
		if !slices.ContainsFunc(passed, func(name string) bool { return regexp.QuoteMeta(name) == spec }) {
			t.Errorf("spec did not pass: %s", spec)
		}
	}
}

// critestImages stores images under the names that the suite has written into it.
func (n *node) critestImages() {
	n.t.Helper()
	busybox := image.Config{Cmd: []string{"top"}, Env: []string{"PATH=/bin"}}
	files := append(lab.BaseFiles(), image.File{Path: "/bin/"},
		image.File{Path: "/bin/top", Content: tiny.Pause(""), Mode: 0o755}, image.File{Path: "/bin/sh", Link: "top"})
	push := func(ref string, config image.Config, files ...image.File) {
		if _, err := cluster.PushFiles(n.ctx, ref, config, files...); err != nil {
			n.t.Fatal(err)
		}
	}
	push("registry.example/critest/busybox:1", busybox, files...)
	// Pulled through the mirrors of the node's hosts.d.
	const staging = "registry.example/k8s-staging-cri-tools/"
	for _, ref := range []string{
		"test-image-latest:latest", "test-image-tag:test", "test-image-tag:all",
		"test-image-1:latest", "test-image-2:latest", "test-image-3:latest",
	} {
		push(staging+ref, busybox, append(files, image.File{Path: "/name", Content: []byte(ref)})...)
	}
	for _, tag := range []string{"1", "2", "3"} {
		push(staging+"test-image-tags:"+tag, busybox, append(files, image.File{Path: "/name", Content: []byte("tags")})...)
	}
	for name, user := range map[string]string{
		"uid": "1002", "username": "www-data", "uid-group": "1003:1003", "username-group": "www-data:100",
	} {
		config := busybox
		config.User = user
		push(staging+"test-image-user-"+name+":latest", config, files...)
	}
	push("registry.example/pause:3.9", busybox, append(files, image.File{Path: "/name", Content: []byte("pause")})...)
}

// passedSpecs reads the names of the specs that passed from ginkgo's report.
func (n *node) passedSpecs() []string {
	n.t.Helper()
	content, err := os.ReadFile(filepath.Join(n.dir, "report.json"))
	if err != nil {
		n.t.Fatal(err)
	}
	var reports []struct {
		SpecReports []struct {
			ContainerHierarchyTexts []string
			LeafNodeText, State     string
		}
	}
	if err := json.Unmarshal(content, &reports); err != nil {
		n.t.Fatal(err)
	}
	var passed []string
	for _, report := range reports {
		for _, spec := range report.SpecReports {
			if spec.State == "passed" && spec.LeafNodeText != "" {
				passed = append(passed, strings.Join(append(spec.ContainerHierarchyTexts, spec.LeafNodeText), " "))
			}
		}
	}
	return passed
}
