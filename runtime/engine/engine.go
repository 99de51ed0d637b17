// SPDX-License-Identifier: Apache-2.0

// Package engine runs WebAssembly modules on wazero. It compiles a module to
// a directory once, loads it from there without ever compiling, and runs it:
// full speed, guest memory outside the Go heap, and a garbage collector that
// never waits for a guest.
package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	goruntime "runtime"
	"runtime/debug"
	"sync"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"golang.org/x/sys/cpu"
)

// format is the version of what Compile writes. It changes with the layout,
// the features below, and whatever else makes older output unusable.
const format = 7

// features is what compiled modules use: WebAssembly 2.0 and extensions.
// Exception handling is not among them, because wazero 1.12.0 miscompiles it:
// rewrite takes it out. See docs/upstream.md.
const features = api.CoreFeaturesV2 |
	experimental.CoreFeaturesTailCall |
	experimental.CoreFeaturesExtendedConst |
	experimental.CoreFeaturesTypedFunctionReferences

// pageSize is a page of WebAssembly memory in bytes.
const pageSize = 64 << 10

const wazeroPath = "github.com/tetratelabs/wazero"

// Version returns the engine's name and version, such as "wazero v1.12.0".
var Version = sync.OnceValue(func() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range info.Deps {
			if dep.Path == wazeroPath {
				if dep.Replace != nil {
					dep = dep.Replace
				}
				return "wazero " + dep.Version
			}
		}
	}
	return "wazero"
})

// Key names the compiled form of a module, given the module's digest: it
// changes with everything that makes compiled code unusable, which is the
// engine's version, the machine's features and our own format.
func Key(module string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s", module, platform()))
	return hex.EncodeToString(sum[:])
}

// Platform names what compiled code depends on besides the module.
func Platform() string { return platform() }

// platform describes what compiled code depends on besides the module.
func platform() string {
	return fmt.Sprintf("format %d, %s, %s/%s %s", format, Version(), goruntime.GOOS, goruntime.GOARCH, cpuFeatures())
}

// cpuFeatures lists the processor's features that wazero's code generator
// looks at (its internal/platform).
func cpuFeatures() string {
	switch goruntime.GOARCH {
	case "amd64":
		abm := cpu.X86.HasBMI1 && cpu.X86.HasBMI2 && cpu.X86.HasPOPCNT
		return fmt.Sprintf("sse4.1=%t bmi1=%t abm=%t", cpu.X86.HasSSE41, cpu.X86.HasBMI1, abm)
	case "arm64":
		return fmt.Sprintf("atomics=%t", cpu.ARM64.HasATOMICS)
	}
	return ""
}

// mostPages is what a memory may grow to. WebAssembly allows one page more, but
// wazero's view of a memory (api.Memory) computes ends in 32 bits: a piece that
// ends where 4 GiB end would be a fault of the host.
const mostPages = 1<<16 - 1

// runtimeConfig configures wazero for modules whose memory may grow to
// maxPages pages; 0 is the most that is possible.
func runtimeConfig(cache wazero.CompilationCache, maxPages uint32) wazero.RuntimeConfig {
	if maxPages == 0 || maxPages > mostPages {
		maxPages = mostPages
	}
	return wazero.NewRuntimeConfigCompiler().
		WithCoreFeatures(features).
		WithCompilationCache(cache).
		WithMemoryLimitPages(maxPages).
		// Line numbers would cost every start the parsing of debug sections.
		WithDebugInfoEnabled(false)
}
