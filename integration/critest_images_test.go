// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"bytes"
	"os"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strings"
	"testing"

	"github.com/wazelet/wazelet/integration/lab/image"
	"github.com/wazelet/wazelet/toolbox"
)

// The suite has the names of its images written into it. The node's hosts.d leads
// them to the laboratory's registry, where these images are: the toolbox takes
// busybox's place, and its web server that of the others.
const (
	e2eImages = "registry.example/e2e-test-images/"
	staging   = "registry.example/k8s-staging-cri-tools/"
)

// digestInSuite names an image by its content, whose bytes only its registry has.
const digestInSuite = "9700f9a2f5bf2c45f2f605a0bd3bce7cf37420ec9d3ed50ac2758413308766bf"

// critestProgram is critest with the digest of our image in that one's place: they
// are of the same length.
func (n *node) critestProgram(digest string) string {
	n.t.Helper()
	content, err := os.ReadFile(filepath.Join(cluster.PartsDir(), "critest"))
	if err != nil {
		n.t.Fatal(err)
	}
	if count := bytes.Count(content, []byte(digestInSuite)); count != 1 || len(digest) != len(digestInSuite) {
		n.t.Fatalf("critest names its image by digest %d times, want once; ours is %q", count, digest)
	}
	program := filepath.Join(n.dir, "critest")
	content = bytes.Replace(content, []byte(digestInSuite), []byte(digest), 1)
	if err := os.WriteFile(program, content, 0o755); err != nil {
		n.t.Fatal(err)
	}
	return program
}

// toolboxFiles are the files of an image that has what busybox's has: the toolbox,
// under the name of each of its commands, and some users.
func toolboxFiles(t testing.TB) []image.File {
	t.Helper()
	module, err := toolbox.Module()
	if err != nil {
		t.Fatal(err)
	}
	files := []image.File{
		{Path: "/etc/"}, {Path: "/tmp/", Mode: 0o777}, {Path: "/var/"}, {Path: "/var/run/"}, {Path: "/root/"},
		{Path: "/etc/passwd", Content: []byte("root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33:www-data:/var/www:/bin/false\n" +
			"default-user:x:1000:1000:Linux User,,,:/home/default-user:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n")},
		{Path: "/etc/group", Content: []byte("root:x:0:\nwww-data:x:33:\nusers:x:100:\ndefault-user:x:1000:\n" +
			"group-defined-in-image:x:50000:default-user\nnogroup:x:65534:\n")},
		{Path: "/bin/"}, {Path: "/bin/toolbox", Content: module, Mode: 0o755},
		{Path: "/www/"}, {Path: "/www/index.html", Content: []byte("<p>served by the toolbox</p>\n")},
	}
	for _, name := range toolbox.Names() {
		files = append(files, image.File{Path: "/bin/" + name, HardLink: "/bin/" + toolbox.Name})
	}
	return files
}

// critestImages stores the images and returns the hex digits of the digest of the
// one that critest pulls by its digest.
func (n *node) critestImages() (digest string) {
	n.t.Helper()
	base := toolboxFiles(n.t)
	push := func(ref string, config image.Config, files ...image.File) string {
		config.Env = []string{"PATH=/bin"}
		pushed, err := cluster.PushFiles(n.ctx, ref, config, slices.Concat(base, files)...)
		if err != nil {
			n.t.Fatal(err)
		}
		return pushed
	}
	// named is a busybox with a file that makes it another image than the others.
	named := func(ref, name string) string {
		return push(ref, image.Config{Cmd: []string{"sh"}}, image.File{Path: "/name", Content: []byte(name)})
	}
	named(e2eImages+"busybox:1.29-2", "busybox")
	push(e2eImages+"nginx:1.14-2", webServer("80"))
	push(e2eImages+"httpd:2.4.39-4", webServer("80"))
	push(staging+"hostnet-nginx-"+goruntime.GOARCH+":latest", webServer("12003"))
	push(e2eImages+"nonewprivs:1.3", image.Config{Cmd: []string{"sh", "-c", "echo Effective uid: $(id -u)"}})
	for _, name := range []string{
		"test-image-latest:latest", "test-image-tag:test", "test-image-tag:all",
		"test-image-1:latest", "test-image-2:latest", "test-image-3:latest",
	} {
		named(staging+name, name)
	}
	for _, tag := range []string{"1", "2", "3"} {
		named(staging+"test-image-tags:"+tag, "tags")
	}
	for name, user := range map[string]string{
		"user-uid": "1002", "user-username": "www-data", "user-uid-group": "1003:1003", "user-username-group": "www-data:100",
		"predefined-group": "1000",
	} {
		push(staging+"test-image-"+name+":latest", image.Config{Cmd: []string{"sh"}, User: user})
	}
	named("registry.example/pause:3.9", "pause")
	_, digest, _ = strings.Cut(named(staging+"test-image-digest:latest", "digest"), "@sha256:")
	return digest
}

// webServer is the configuration of an image that serves /www on the port. Of its
// words, the suite looks for "httpd" in the log, and for "master process" in the
// command line of process 1.
func webServer(port string) image.Config {
	return image.Config{Cmd: []string{"sh", "-c", "echo httpd: master process begins; exec httpd -f -p " + port + " -h /www"}}
}
