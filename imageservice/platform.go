// SPDX-License-Identifier: Apache-2.0

package imageservice

import (
	"fmt"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/containerd/platforms"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// wasmOS ranks the operating systems that stand beside a Wasm architecture in an index; unknown ones come last. Preview
// 1 goes before preview 2: where an image offers both, the module needs less of the runtime.
var wasmOS = []string{"wasi", "wasip1", "linux", "wasip2"}

// attestationType marks index entries that describe another entry instead of being an image (BuildKit).
const attestationType = "vnd.docker.reference.type"

// choose picks the index entry for this node: one for WebAssembly if there is any, by its platform before by its
// annotations, else the best for the host's Linux. An index with one entry that names no platform means that entry.
func choose(index ocispec.Index) (ocispec.Descriptor, error) {
	host := platforms.DefaultStrict()
	var wasm, native, unnamed []ocispec.Descriptor
	for _, entry := range index.Manifests {
		switch {
		case entry.Annotations[attestationType] != "":
		case entry.Platform == nil || entry.Platform.OS == "" && entry.Platform.Architecture == "":
			unnamed = append(unnamed, entry)
		case strings.HasPrefix(entry.Platform.Architecture, "wasm"), isMarkedWasm(entry):
			wasm = append(wasm, entry)
		case host.Match(*entry.Platform):
			native = append(native, entry)
		}
	}
	slices.SortStableFunc(wasm, func(a, b ocispec.Descriptor) int { return wasmRank(a.Platform) - wasmRank(b.Platform) })
	slices.SortStableFunc(native, func(a, b ocispec.Descriptor) int {
		if host.Less(*a.Platform, *b.Platform) {
			return -1
		}
		return 1
	})
	switch {
	case len(wasm) > 0:
		return wasm[0], nil
	case len(native) > 0:
		return native[0], nil
	case len(unnamed) == 1:
		return unnamed[0], nil
	}
	return ocispec.Descriptor{}, &Error{
		Text:  fmt.Sprintf("it has nothing for wasm or for %s, only %s", platforms.DefaultString(), offered(index)),
		Class: errdefs.ErrNotFound,
	}
}

// isMarkedWasm knows the annotations by which crun is told that an image for an ordinary platform is WebAssembly, as
// buildah writes them (https://github.com/containers/crun/blob/main/docs/wasm-wasi-example.md).
func isMarkedWasm(entry ocispec.Descriptor) bool {
	switch entry.Annotations["module.wasm.image/variant"] {
	case "compat", "compat-smart":
		return true
	}
	switch entry.Annotations["run.oci.handler"] {
	case "wasm", "wasm-smart":
		return true
	}
	return false
}

func wasmRank(p *ocispec.Platform) int {
	rank := 2 * slices.Index(wasmOS, p.OS)
	if rank < 0 {
		rank = 2 * len(wasmOS)
	}
	switch {
	case p.Architecture == "wasm":
		return rank
	case strings.HasPrefix(p.Architecture, "wasm"):
		return rank + 1
	}
	return 2*len(wasmOS) + 2 // told by its annotations only
}

// offered lists the platforms of an index for an error.
func offered(index ocispec.Index) string {
	const most = 8
	var list []string
	for _, entry := range index.Manifests {
		if entry.Platform == nil || entry.Annotations[attestationType] != "" {
			continue
		}
		if len(list) == most {
			list = append(list, "…")
			break
		}
		list = append(list, strings.Trim(quote(platforms.Format(*entry.Platform)), `"`))
	}
	if len(list) == 0 {
		return "entries without a platform"
	}
	return strings.Join(list, ", ")
}
