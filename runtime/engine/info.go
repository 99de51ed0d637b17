// SPDX-License-Identifier: Apache-2.0

package engine

//go:generate go tool easyjson -no_std_marshalers -output_filename info_easyjson.go info.go
//go:generate sed -i "/easyjson\"$/d;/easyjson[.]Marshaler$/d" info_easyjson.go

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mailru/easyjson/jlexer"
	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/runtime/component"
	"github.com/wazelet/wazelet/runtime/engine/bytecode"
	"github.com/wazelet/wazelet/runtime/wasi/httpcall"
	"github.com/wazelet/wazelet/runtime/wasi/preview1"
	"github.com/wazelet/wazelet/runtime/wasi/wasmedge"
	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// Info describes a module. It is kept beside the compiled code, or beside the reason why there is none.
//
//easyjson:json
type Info struct {
	Kind     Kind     `json:"kind"` // command, reactor, library or component
	Imports  []Import `json:"imports"`
	Missing  []Import `json:"missing"`         // imports this host does not provide
	Exports  []string `json:"exports"`         // functions; of a component all there is
	World    string   `json:"world,omitempty"` // it was built for, such as wasi:cli/command@0.2.0, if that is known
	Memory   Memory   `json:"memory"`
	Features []string `json:"features"` // extensions that its toolchain declares, used or not; exceptions if used
	Platform string   `json:"platform"` // what the compiled code was made for and by
	Entry    string   `json:"entry"`    // the compiled code's file, below the directory
}

// Import is something a module wants from its host.
type Import struct {
	Module string `json:"module"` // "" of a component
	Name   string `json:"name"`
	Kind   string `json:"kind"` // function, table, memory, global or tag; of a component see package component
}

// String names the import as messages do.
func (i Import) String() string {
	if i.Module == "" {
		return fmt.Sprintf("%s (%s)", i.Name, i.Kind)
	}
	return fmt.Sprintf("%s.%s (%s)", i.Module, i.Name, i.Kind)
}

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

// maxInfo bounds what is read of an info file: maxNames as JSON, with all that belongs to each.
const maxInfo = 64 << 20

// ReadInfo returns the Info that Compile wrote into dir. A compiler that refused a module may have put anything there:
// what is no file of bearable size is an error.
func ReadInfo(dir string) (info Info, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return info, err
	}
	defer root.Close()
	file, err := root.OpenFile(infoFile, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return info, err
	}
	defer file.Close()
	if st, err := file.Stat(); err != nil || !st.Mode().IsRegular() {
		return info, errors.Join(err, fmt.Errorf("%s: not a file", infoFile))
	}
	raw, err := io.ReadAll(io.LimitReader(file, maxInfo+1))
	if err != nil {
		return info, err
	}
	if len(raw) > maxInfo {
		return info, fmt.Errorf("%s: larger than %d bytes", infoFile, maxInfo)
	}
	return parseInfo(raw)
}

func parseInfo(raw []byte) (info Info, err error) {
	l := jlexer.Lexer{Data: raw} // a start reads it once: see package wire
	info.UnmarshalEasyJSON(&l)
	if err := l.Error(); err != nil {
		return Info{}, fmt.Errorf("%s: %w", infoFile, err)
	}
	return info, nil
}

// WriteInfo writes the Info into dir, where ReadInfo finds it.
func WriteInfo(dir string, info Info) error {
	raw, err := json.Marshal(info)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, infoFile), raw, 0o444)
}

// inspect tells what wasm is, and whether this engine can take it: the error is that of examine or instantiable. What is
// no WebAssembly, or malformed, has no Info.
func inspect(wasm []byte) (Info, *outline, error) {
	o, err := examine(wasm)
	switch {
	case o != nil:
		info := newInfo(o)
		info.World = component.ModuleWorld(wasm)
		if err == nil {
			err = info.instantiable()
		}
		return info, o, err
	case Sniff(wasm) == KindComponent:
		return componentInfo(wasm), nil, err
	}
	return Info{}, nil, err
}

// componentInfo describes a component, as far as it can be read.
func componentInfo(wasm []byte) Info {
	info := Info{Kind: KindComponent, Platform: platform(), Imports: []Import{}, Missing: []Import{}, Exports: []string{}, Features: []string{}}
	c, err := component.Read(wasm)
	if err != nil {
		return info
	}
	info.World = c.World
	for _, im := range c.Imports {
		info.Imports = append(info.Imports, Import{Name: im.Name, Kind: im.Kind})
	}
	for _, e := range c.Exports {
		info.Exports = append(info.Exports, e.Name)
	}
	for _, module := range c.Modules {
		if o, err := examine(module); o != nil && err == nil {
			info.Features = append(info.Features, featuresOf(o)...)
		}
	}
	slices.Sort(info.Features)
	info.Features = slices.Compact(info.Features)
	return info
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
	switch module {
	case preview1.ModuleName:
		names = append(names, wasmedge.Functions()...)
		slices.Sort(names)
	case httpcall.ModuleName:
		names = httpcall.Functions()
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
