// SPDX-License-Identifier: Apache-2.0

package imagegc_test

import (
	"context"
	"errors"

	"github.com/wazelet/wazelet/integration/guests/tiny"
	"github.com/wazelet/wazelet/integration/lab"
	"github.com/wazelet/wazelet/integration/lab/image"
)

// The images of the test. A pod of keeper goes on, with volumeImage as a volume.
const (
	prefix      = lab.Registry + "/gc/"
	keeperImage = prefix + "keeper:1"
	volumeImage = prefix + "volume:1"
	pinnedImage = prefix + "pinned:1"
)

// unusedImages are those whose pods end, with the program that each pod's command
// names; "" is the image's own. Together they take more than threshold.
var unusedImages = map[string]string{
	prefix + "files:1":   "",
	prefix + "module:1":  "",
	prefix + "hello:1":   "",
	prefix + "command:1": "/other.wasm",
}

// pushImages stores images that weigh: what is in them does not compress, and one of
// files takes its size twice, packed and unpacked.
func pushImages(ctx context.Context) error {
	hello, err := lab.Guest("hello")
	if err != nil {
		return err
	}
	files := func(ref, entrypoint string, files ...image.File) error {
		_, err := cluster.PushFiles(ctx, ref, image.Config{Entrypoint: []string{entrypoint}}, append(lab.BaseFiles(), files...)...)
		return err
	}
	_, err = cluster.PushModule(ctx, prefix+"module:1", tiny.Heavy(tiny.Hello("module\n"), 20<<20))
	return errors.Join(err,
		files(keeperImage, "/main.wasm",
			image.File{Path: "/main.wasm", Content: tiny.Heavy(tiny.Hello("keeper\n"), 8<<20)},
			image.File{Path: "/keep.wasm", Content: tiny.Pause("keeping\n")}),
		files(volumeImage, "/main.wasm", image.File{Path: "/main.wasm", Content: tiny.Heavy(tiny.Hello("volume\n"), 8<<20)}),
		files(pinnedImage, "/main.wasm", image.File{Path: "/main.wasm", Content: tiny.Heavy(tiny.Hello("pinned\n"), 8<<20)}),
		files(prefix+"files:1", "/main.wasm", image.File{Path: "/main.wasm", Content: tiny.Heavy(tiny.Hello("files\n"), 20<<20)}),
		files(prefix+"hello:1", "/hello.wasm", image.File{Path: "/hello.wasm", Content: hello}),
		files(prefix+"command:1", "/main.wasm",
			image.File{Path: "/main.wasm", Content: tiny.Hello("main\n")},
			image.File{Path: "/other.wasm", Content: tiny.Heavy(tiny.Hello("other\n"), 10<<20)}),
	)
}
