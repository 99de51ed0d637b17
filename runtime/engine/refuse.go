// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// examine tells whether wasm is a module this engine can take, before it
// costs a compile. The error is a *spec.Failure of class Invalid with a
// reason its author can act on.
func examine(wasm []byte) (*outline, error) {
	switch Sniff(wasm) {
	case KindComponent:
		return nil, spec.Failf(spec.Invalid, "module is a WebAssembly component: only core modules run here so far; build it for WASI preview 1 (wasip1)")
	case KindOther:
		return nil, spec.Failf(spec.Invalid, "not a WebAssembly module: %s", describe(wasm))
	}
	o, err := scan(wasm)
	if err != nil {
		return nil, spec.Failf(spec.Invalid, "module is malformed: %w", err)
	}
	if len(o.features) > 0 {
		return nil, refuseFeature(strings.Join(o.features, ", "))
	}
	return o, nil
}

func refuseFeature(name string) error {
	switch name {
	case featureExceptions:
		return spec.Failf(spec.Invalid, "module uses exception handling, which %s can miscompile: build it without (for C++: -fno-exceptions)", Version())
	case featureThreads:
		return spec.Failf(spec.Invalid, "module uses threads (a shared memory or atomic operations), which this runtime does not offer: build it single-threaded")
	}
	return spec.Failf(spec.Invalid, "module uses a WebAssembly extension that this runtime does not offer: %s", name)
}

// Shapes of wazero's errors that mean an extension it was not given or does
// not know. Workers import this package and never compile: they must not pay
// for the patterns.
var (
	disabled = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`feature "([a-z0-9-]+)" is disabled`)
	})
	unknownOpcode = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`invalid instruction 0x([0-9a-f]{1,2})\b`)
	})
)

// opcodeFeatures are the instructions of extensions wazero has no name for.
var opcodeFeatures = map[string]string{
	"6": featureExceptions, "7": featureExceptions, "9": featureExceptions, // the legacy form
	"18": featureExceptions, "19": featureExceptions,
	"1f": featureExceptions, "8": featureExceptions, "a": featureExceptions,
	"fb": featureGC,
	"fe": featureThreads,
}

// hints are extensions that show in the code alone, where wazero stumbles over
// them without knowing what they are, by their names in target_features.
var hints = []string{"relaxed-simd", "wide-arithmetic", "exception-handling", "atomics", "gc", "memory64", "multimemory"}

// refuseCompile turns wazero's error into a refusal that names the extension,
// where it can be told.
func refuseCompile(err error, o *outline) error {
	text := err.Error()
	if m := disabled().FindStringSubmatch(text); m != nil {
		switch m[1] {
		case "exception-handling":
			return refuseFeature(featureExceptions)
		case "threads":
			return refuseFeature(featureThreads)
		}
		return refuseFeature(m[1])
	}
	if m := unknownOpcode().FindStringSubmatch(text); m != nil && opcodeFeatures[m[1]] != "" {
		return refuseFeature(opcodeFeatures[m[1]])
	}
	reason := truncate(firstLine(text), maxTrap)
	for _, name := range hints {
		if slices.Contains(o.declared, name) {
			return spec.Failf(spec.Invalid, "module is not valid here: %s; it declares the extension %s, which this runtime does not offer", reason, name)
		}
	}
	return spec.Failf(spec.Invalid, "module is not valid: %s", reason)
}
