// SPDX-License-Identifier: Apache-2.0

package critest

import (
	"context"
	"fmt"
	goruntime "runtime"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/wazelet/wazelet/integration/lab"
	"github.com/wazelet/wazelet/integration/lab/image"
)

// Hosts are the registries whose names are written into the suite, with those of its
// images. A node's hosts.toml leads them to the laboratory's open registry.
var Hosts = []string{"registry.k8s.io", "gcr.io", "k8s.gcr.io"}

// Where the suite's images are, in whichever registry.
const (
	e2eImages = lab.Registry + "/e2e-test-images/"
	staging   = lab.Registry + "/k8s-staging-cri-tools/"
)

// Busybox is the image that most specs run, by its name in the open registry.
const Busybox = e2eImages + "busybox:1.29-2"

// Kind are the programs that take the place of those in the suite's images.
type Kind struct {
	// Platform is the images', as in image.Config.
	Platform string
	// Path is the PATH to its programs.
	Path string
	// Files are in every image: what busybox's has, and some users.
	Files []image.File
	// Server is the command that serves /www on a port. Of its words, the suite looks
	// for "httpd" in the log, and for "master process" in the command line of process 1.
	Server func(port string) []string
	// Escalate is the command that tells its effective user.
	Escalate []string
}

// picture is one image of the suite.
type picture struct {
	ref string
	// name makes it another image than those with another name.
	name string
	user string
	cmd  func(Kind) []string
}

func shell(Kind) []string { return []string{"sh"} }

func server(port string) func(Kind) []string {
	return func(k Kind) []string { return k.Server(port) }
}

func escalate(k Kind) []string { return k.Escalate }

// digested is the one that the suite pulls by its digest.
const digested = staging + "test-image-digest:latest"

// pictures are all that the suite names.
func pictures() []picture {
	all := []picture{
		{ref: Busybox, name: "busybox", cmd: shell},
		{ref: e2eImages + "nginx:1.14-2", cmd: server("80")},
		{ref: e2eImages + "httpd:2.4.39-4", cmd: server("80")},
		{ref: staging + "hostnet-nginx-" + goruntime.GOARCH + ":latest", cmd: server("12003")},
		{ref: e2eImages + "nonewprivs:1.3", cmd: escalate},
		{ref: lab.Registry + "/pause:3.9", name: "pause", cmd: shell},
		{ref: digested, name: "digest", cmd: shell},
	}
	for _, name := range []string{
		"test-image-latest:latest", "test-image-tag:test", "test-image-tag:all",
		"test-image-1:latest", "test-image-2:latest", "test-image-3:latest",
	} {
		all = append(all, picture{ref: staging + name, name: name, cmd: shell})
	}
	for _, tag := range []string{"1", "2", "3"} {
		all = append(all, picture{ref: staging + "test-image-tags:" + tag, name: "tags", cmd: shell})
	}
	for name, user := range map[string]string{
		"user-uid": "1002", "user-username": "www-data", "user-uid-group": "1003:1003", "user-username-group": "www-data:100",
		"predefined-group": "1000",
	} {
		all = append(all, picture{ref: staging + "test-image-" + name + ":latest", user: user, cmd: shell})
	}
	return all
}

// config is what an image of the kind says.
func (k Kind) config(p picture) image.Config {
	return image.Config{Platform: k.Platform, Cmd: p.cmd(k), User: p.user, Env: []string{"PATH=" + k.Path}}
}

// Push stores the suite's images in the laboratory's open registry: of one kind as
// such, of several as an index under one name. It returns the hex digits of the digest
// of the one that the suite pulls by its digest.
func Push(ctx context.Context, cluster *lab.Cluster, kinds ...Kind) (digest string, err error) {
	var bases []v1.Image
	for _, k := range kinds {
		base, err := image.Files(image.Config{Platform: k.Platform}, k.Files...)
		if err != nil {
			return "", err
		}
		bases = append(bases, base)
	}
	for _, p := range pictures() {
		var images []v1.Image
		for i, k := range kinds {
			img, err := image.On(bases[i], k.config(p), image.File{Path: "/name", Content: []byte(p.name)})
			if err != nil {
				return "", fmt.Errorf("image %s: %w", p.ref, err)
			}
			images = append(images, img)
		}
		var pushed remote.Taggable = images[0]
		if len(images) > 1 {
			if pushed, err = image.Index(images...); err != nil {
				return "", fmt.Errorf("image %s: %w", p.ref, err)
			}
		}
		byDigest, err := cluster.Push(ctx, p.ref, pushed)
		if err != nil {
			return "", err
		}
		if p.ref == digested {
			_, digest, _ = strings.Cut(byDigest, "@sha256:")
		}
	}
	return digest, nil
}
