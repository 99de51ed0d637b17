// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/wazelet/wazelet/toolbox/command"
	"github.com/wazelet/wazelet/toolbox/socket"
)

// resolver is what /etc/resolv.conf says.
type resolver struct {
	servers []string
	search  []string
	ndots   int
}

// maxResolvConf bounds the file.
const maxResolvConf = 64 << 10

func parseResolvConf(content string) resolver {
	r := resolver{ndots: 1}
	for line := range strings.SplitSeq(content, "\n") {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		switch fields[0] {
		case "nameserver":
			r.servers = append(r.servers, fields[1])
		case "search", "domain":
			r.search = fields[1:]
		case "options":
			for _, option := range fields[1:] {
				var n int
				if _, err := fmt.Sscanf(option, "ndots:%d", &n); err == nil && n >= 0 && n <= 15 {
					r.ndots = n
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

// Waits for a name server.
const (
	dnsTimeout = 5 * time.Second
	dnsTries   = 2
)

// nslookup asks a name server for the addresses of a name, or for the name of an address.
func nslookup(ctx context.Context, c *command.Call) int {
	o, args, err := c.Options("type: query: debug")
	if err == nil && (len(args) == 0 || len(args) > 2) {
		err = errors.New("which name? (and at which server?)")
	}
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
	if kind := o.Value("type", o.Value("query", "")); kind != "" {
		number, known := typeNumbers[strings.ToUpper(kind)]
		if !known {
			return c.Usage(fmt.Errorf("-type=%s: not supported", kind))
		}
		kinds = []uint16{number}
	}
	var failure error
	for _, server := range r.servers {
		if failure = ask(ctx, c, server, names, kinds); failure == nil {
			return 0
		}
		if errors.Is(failure, errNoName) {
			break
		}
	}
	return c.Errorf("%s: %s", args[0], command.Reason(failure))
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

var errNoName = errors.New("no such name")

// ask looks names up at a server until one is known, and writes the answers.
func ask(ctx context.Context, c *command.Call, server string, names []string, kinds []uint16) error {
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
		c.Printf("Server:\t\t%s\nAddress:\t%s\n\n", server, withPort(server))
		for _, one := range all {
			c.Printf("%s\n", one)
		}
		return nil
	}
	return errNoName
}

// withPort is a server's address as nslookup shows it.
func withPort(server string) string {
	addr, err := netip.ParseAddr(server)
	if err != nil {
		return server + ":53"
	}
	return netip.AddrPortFrom(addr, 53).String()
}

// query asks a server over UDP.
func query(ctx context.Context, server, name string, kind uint16) ([]record, error) {
	id := uint16(rand.Uint32()) // a guess to be matched, in a network namespace of one's own
	message, err := newQuery(id, name, kind)
	if err != nil {
		return nil, err
	}
	dialing, cancel := context.WithTimeout(ctx, dnsTimeout)
	defer cancel()
	conn, err := socket.DialAny(dialing, "udp", server, 53)
	if err != nil {
		return nil, fmt.Errorf("server %s: %s", server, command.Reason(err))
	}
	defer conn.Close()
	buf := make([]byte, 64<<10)
	for range dnsTries {
		if _, err = conn.Write(message); err == nil {
			err = conn.SetDeadline(time.Now().Add(dnsTimeout))
		}
		for err == nil {
			var n int
			if n, err = conn.Read(buf); err != nil {
				break
			}
			if records, aerr := parseAnswer(buf[:n], id); !errors.Is(aerr, errOther) {
				return records, aerr
			}
		}
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = errors.New("it does not answer")
	}
	return nil, fmt.Errorf("server %s: %s", server, command.Reason(err))
}
