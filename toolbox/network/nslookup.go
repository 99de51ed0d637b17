// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/wazelet/wazelet/toolbox/command"
)

// resolver is what /etc/resolv.conf says.
type resolver struct {
	servers []string
	search  []string
	ndots   int
}

// Bounds of the file, as resolvers have them.
const (
	maxResolvConf = 64 << 10
	maxDots       = 15
	maxSearch     = 32
	maxServers    = 3
)

func parseResolvConf(content string) resolver {
	r := resolver{ndots: 1}
	for line := range strings.SplitSeq(content, "\n") {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		switch fields[0] {
		case "nameserver":
			if len(r.servers) < maxServers {
				r.servers = append(r.servers, fields[1])
			}
		case "search", "domain":
			r.search = fields[1:min(len(fields), maxSearch+1)]
		case "options":
			for _, option := range fields[1:] {
				text, found := strings.CutPrefix(option, "ndots:")
				if n, err := strconv.ParseUint(text, 10, 31); found && err == nil {
					r.ndots = min(int(n), maxDots)
				}
			}
		}
	}
	return r
}

// candidates are the full names that a name may mean, in order.
func (r resolver) candidates(name string) []string {
	if strings.HasSuffix(name, ".") {
		return []string{name}
	}
	var searched []string
	for _, domain := range r.search {
		searched = append(searched, name+"."+strings.TrimSuffix(domain, ".")+".")
	}
	if strings.Count(name, ".") >= r.ndots {
		return append([]string{name + "."}, searched...)
	}
	return append(searched, name+".")
}

// nslookup asks a name server for the addresses of a name, or for the name of an address: NAME, and
// maybe SERVER or SERVER:PORT.
func nslookup(ctx context.Context, c *command.Call) int {
	o, args, err := command.ParseOptions("type|query|querytype: debug port:", longOptions(c.Args))
	if err == nil && (len(args) == 0 || len(args) > 2) {
		err = errors.New("which name? (and at which server?)")
	}
	if err != nil {
		return c.Usage(err)
	}
	port, err := parsePort(o.Value("port", "53"))
	if err != nil {
		return c.Usage(err)
	}
	r, err := readResolver(args)
	if err != nil {
		return c.Errorf("%v", err)
	}
	kinds := []uint16{typeA, typeAAAA}
	names := r.candidates(args[0])
	if addr, err := netip.ParseAddr(args[0]); err == nil {
		kinds, names = []uint16{typePTR}, []string{reverseName(addr)}
	}
	if kind := o.Value("type", ""); kind != "" {
		number, known := typeNumbers[strings.ToUpper(kind)]
		if !known {
			return c.Usage(fmt.Errorf("-type=%s: not supported", kind))
		}
		kinds = []uint16{number}
	}
	var failure error
	for _, server := range r.servers {
		at, err := parseServer(server, port)
		if err != nil {
			return c.Errorf("%v", err)
		}
		if failure = ask(ctx, c, at, names, kinds); failure == nil {
			return 0
		}
		if errors.Is(failure, errNoName) {
			break
		}
	}
	return c.Errorf("%s: %s", args[0], command.Reason(failure))
}

// longOptions writes -type=A as --type=A: nslookup has no others.
func longOptions(args []string) []string {
	long := slices.Clone(args)
	for i, arg := range long {
		if len(arg) > 2 && arg[0] == '-' && arg[1] != '-' {
			long[i] = "-" + arg
		}
	}
	return long
}

func readResolver(args []string) (resolver, error) {
	f, err := os.Open("/etc/resolv.conf")
	var r resolver
	if err == nil {
		defer f.Close()
		var content []byte
		content, err = io.ReadAll(io.LimitReader(f, maxResolvConf))
		r = parseResolvConf(string(content))
	}
	if len(args) == 2 {
		r.servers, err = []string{args[1]}, nil
	}
	if err != nil {
		return r, fmt.Errorf("/etc/resolv.conf: %s", command.Reason(err))
	}
	if len(r.servers) == 0 {
		return r, errors.New("/etc/resolv.conf: it names no server")
	}
	return r, nil
}

var errNoName = errors.New("no such name (NXDOMAIN)")

// ask looks names up at a server until one is known, and writes the answers.
func ask(ctx context.Context, c *command.Call, server nameServer, names []string, kinds []uint16) error {
	for _, name := range names {
		var all []record
		for _, kind := range kinds {
			found, err := query(ctx, server, name, kind)
			if err != nil && !errors.Is(err, errNoName) {
				return err
			}
			all = append(all, found...)
		}
		if len(all) == 0 {
			continue
		}
		c.Printf("Server:\t\t%s\nAddress:\t%s\n\n", server.host, server)
		for _, one := range all {
			c.Printf("%s\n", one)
		}
		return nil
	}
	return errNoName
}
