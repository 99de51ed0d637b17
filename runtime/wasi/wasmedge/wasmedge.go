// SPDX-License-Identifier: Apache-2.0

package wasmedge

import (
	"slices"
	"strings"

	"github.com/wazelet/wazelet/runtime/wasi"
	"github.com/wazelet/wazelet/runtime/wasi/guest"
	"github.com/wazelet/wazelet/runtime/wasi/preview1"
)

// form is one way a function is imported.
type form struct {
	params string
	call   func(guest.Call, []uint64) wasi.Errno
}

// forms are the functions, by their names without suffix.
var forms = map[string][]form{
	"sock_open":         {{"iii", sockOpen}},
	"sock_bind":         {{"iii", sockBind}},
	"sock_listen":       {{"ii", sockListen}},
	"sock_accept":       {{"ii", sockAcceptV1}, {"iii", sockAcceptV2}},
	"sock_connect":      {{"iii", sockConnect}},
	"sock_recv":         {{"iiiiii", sockRecv}},
	"sock_recv_from":    {{"iiiiiii", sockRecvFromV1}, {"iiiiiiii", sockRecvFromV2}},
	"sock_send":         {{"iiiii", sockSend}},
	"sock_send_to":      {{"iiiiiii", sockSendTo}},
	"sock_getsockopt":   {{"iiiii", sockGetsockopt}},
	"sock_setsockopt":   {{"iiiii", sockSetsockopt}},
	"sock_getlocaladdr": {{"iiii", sockGetlocaladdrV1}, {"iii", sockGetlocaladdrV2}},
	"sock_getpeeraddr":  {{"iiii", sockGetpeeraddrV1}, {"iii", sockGetpeeraddrV2}},
	"sock_getaddrinfo":  {{"iiiiiiii", sockGetaddrinfo}},
}

// Extension are the functions a module imports of this extension, in the version it imports them:
// to be given to preview1.Instantiate. imported are the module's imported functions. It is empty for a module that does without.
func Extension[F guest.Imported](imported []F) []guest.Func {
	var funcs []guest.Func
	for _, def := range imported {
		module, name, _ := def.Import()
		if module != preview1.ModuleName {
			continue
		}
		base, suffixed := strings.CutSuffix(name, "_v2")
		if !suffixed && (name == "sock_recv" || name == "sock_send") {
			continue // preview 1 has these
		}
		for _, f := range forms[base] {
			if len(f.params) == len(def.ParamTypes()) {
				funcs = append(funcs, guest.Func{Name: name, Params: guest.Types(f.params), Call: f.call})
			}
		}
	}
	return funcs
}

// Functions are the names under which a module may import this extension from
// preview1.ModuleName, sorted.
func Functions() []string {
	var names []string
	for name := range forms {
		names = append(names, name, name+"_v2")
	}
	slices.Sort(names)
	return names
}

// withSocket calls do with the descriptor of a socket: ENOTSOCK where it is none.
func withSocket(c guest.Call, fd uint64, do func(*wasi.Descriptor) wasi.Errno) wasi.Errno {
	d, errno := c.Sys.Acquire(guest.U32(fd))
	if errno != wasi.ESUCCESS {
		return errno
	}
	defer d.Release()
	return do(d)
}
