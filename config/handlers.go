// SPDX-License-Identifier: Apache-2.0

package config

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// What runs the pods of a handler.
const (
	KindWasm     = "wasm"
	KindDelegate = "delegate"
	KindHybrid   = "hybrid"
)

// handlerName is what a RuntimeClass can hold as its handler: a DNS label.
var handlerName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

func (v *validator) handlers(handlers map[string]Handler, fallback, own string) {
	names := slices.Sorted(maps.Keys(handlers))
	upstream := ""
	for _, name := range names {
		path, h := "handlers."+name, handlers[name]
		v.when(!handlerName.MatchString(name), path, "%q cannot be a handler's name: lower-case letters, digits and '-' (at most 63)", name)
		v.oneOf(path+".kind", h.Kind)
		v.when(h.Kind != KindHybrid && h.UpstreamHandler != "", path+".upstream_handler", "is only for handlers of kind \"hybrid\"")
		if h.Kind != KindDelegate && h.Kind != KindHybrid {
			v.when(h.Endpoint != "", path+".endpoint", "is only for handlers of kind \"delegate\" and \"hybrid\"")
			continue
		}
		if h.Endpoint == "" {
			v.when(true, path+".endpoint", "is empty: a handler of kind %q hands pods to the runtime there, such as %q", h.Kind, "/run/containerd/containerd.sock")
			continue
		}
		v.socket(path+".endpoint", h.Endpoint)
		v.when(h.Endpoint == own, path+".endpoint", "is Wazelet's own socket (grpc.address)")
		v.when(upstream != "" && h.Endpoint != upstream, path+".endpoint", "%q is not %q, which another handler names: a node has one upstream runtime", h.Endpoint, upstream)
		upstream = h.Endpoint
	}
	_, exists := handlers[fallback]
	v.when(!exists, "default_handler", "%q is not one of the handlers: %s", fallback, strings.Join(names, ", "))
}
