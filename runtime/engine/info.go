// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/wazelet/wazelet/runtime/engine/bytecode"
	"github.com/wazelet/wazelet/runtime/wasi/preview1"
	"github.com/wazelet/wazelet/runtime/wasi/wasmedge"
	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// Info describes a compiled module. It is kept beside the compiled code.
type Info struct {
	Kind     Kind     `json:"kind"` // command, reactor or library
	Imports  []Import `json:"imports"`
	Missing  []Import `json:"missing"` // imports this host does not provide
	Exports  []string `json:"exports"` // functions
	Memory   Memory   `json:"memory"`
	Features []string `json:"features"` // extensions that its toolchain declares, used or not; exceptions if used
	Platform string   `json:"platform"` // what the compiled code was made for and by
	Entry    string   `json:"entry"`    // the compiled code's file, below the directory
}

// Import is something a module wants from its host.
type Import struct {
	Module string `json:"module"`
	Name   string `json:"name"`
	Kind   string `json:"kind"` // function, table, memory, global or tag
}

// String names the import as messages do.
func (i Import) String() string { return fmt.Sprintf("%s.%s (%s)", i.Module, i.Name, i.Kind) }

// Memory is the size of a module's own memory, in pages of 64 KiB.
type Memory struct {
	Min uint64 `json:"min"`
	Max uint64 `json:"max"` // as declared; 0 when it declares none
}

// Names of the files in a module's directory, beside wazero's own.
const (
	infoFile   = "info.json"
	moduleFile = "module.wasm"
)

// maxInfo bounds what is read of an info file.
const maxInfo = 16 << 20

// ReadInfo returns the Info that Compile wrote into dir.
func ReadInfo(dir string) (Info, error) {
	var info Info
	raw, err := os.ReadFile(filepath.Join(dir, infoFile))
	if err != nil {
		return info, err
	}
	if len(raw) > maxInfo {
		return info, fmt.Errorf("%s: larger than %d bytes", infoFile, maxInfo)
	}
	if err := json.Unmarshal(raw, &info); err != nil {
		return info, fmt.Errorf("%s: %w", infoFile, err)
	}
	return info, nil
}

// Runnable says why the module cannot run as a container, or nil: with _start,
// or with another of its functions if export names one. The error is a
// *spec.Failure of class Invalid.
func (i Info) Runnable(export string) error {
	if err := i.instantiable(); err != nil {
		return err
	}
	switch {
	case export != "" && slices.Contains(i.Exports, export), export == "" && i.Kind == KindCommand:
		return nil
	case export != "":
		return spec.Failf(spec.Invalid, "module has no function %.100q to run; it exports %s", export, list(i.Exports))
	case i.Kind == KindReactor:
		return spec.Failf(spec.Invalid, "module is a reactor (it exports _initialize, not _start): build it as a command, or name a function as PATH#FUNCTION; it exports %s", list(i.Exports))
	default:
		return spec.Failf(spec.Invalid, "module has no _start function, so there is nothing to run: build it as a WASI command, or name a function as PATH#FUNCTION; it exports %s", list(i.Exports))
	}
}

// instantiable says what the module wants and does not get, or nil.
func (i Info) instantiable() error {
	if len(i.Missing) > 0 {
		return spec.Failf(spec.Invalid, "module imports what this runtime does not provide: %s", list(i.Missing))
	}
	return nil
}

// list writes items for a message, the first few of them.
func list[T any](items []T) string {
	const most = 8
	if len(items) == 0 {
		return "nothing"
	}
	var b strings.Builder
	for n, item := range items {
		if n == most {
			fmt.Fprintf(&b, " and %d more", len(items)-most)
			break
		}
		if n > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%.200v", item)
	}
	return b.String()
}

// newInfo turns an outline into the description that is kept.
func newInfo(o *outline) Info {
	info := Info{
		Kind: KindLibrary, Platform: platform(),
		Imports: slices.Clip(o.imports), Missing: missing(o.imports),
		Exports: []string{}, Features: featuresOf(o),
	}
	for _, e := range o.exports {
		if e.kind != bytecode.ExternFunc {
			continue
		}
		info.Exports = append(info.Exports, e.name)
		switch {
		case e.name == "_start":
			info.Kind = KindCommand
		case e.name == "_initialize" && info.Kind == KindLibrary:
			info.Kind = KindReactor
		}
	}
	for _, m := range o.memories {
		if m.own {
			info.Memory = Memory{Min: m.min, Max: m.max}
		}
	}
	return info
}

// featuresOf are the extensions of WebAssembly that a module may use.
func featuresOf(o *outline) []string {
	const exceptions = "exception-handling"
	list := append([]string{}, o.declared...)
	if o.exceptions && !slices.Contains(list, exceptions) {
		list = append(list, exceptions)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// functions returns the names a host module provides, sorted.
func functions(module string) []string {
	names := preview1.Functions(module)
	if module == preview1.ModuleName {
		names = append(names, wasmedge.Functions()...)
		slices.Sort(names)
	}
	return names
}

// missing returns the imports that no host module provides.
func missing(imports []Import) []Import {
	provided := map[string][]string{}
	absent := []Import{}
	for _, im := range imports {
		names, known := provided[im.Module]
		if !known {
			names = functions(im.Module)
			provided[im.Module] = names
		}
		if _, found := slices.BinarySearch(names, im.Name); !found || im.Kind != externNames[bytecode.ExternFunc] {
			absent = append(absent, im)
		}
	}
	return absent
}
