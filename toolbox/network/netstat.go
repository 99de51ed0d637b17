// SPDX-License-Identifier: Apache-2.0

package network

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"github.com/wazelet/wazelet/toolbox/command"
)

// states are the kernel's names for the states of TCP, by number from 1.
var states = strings.Fields("ESTABLISHED SYN_SENT SYN_RECV FIN_WAIT1 FIN_WAIT2 TIME_WAIT CLOSE CLOSE_WAIT LAST_ACK LISTEN CLOSING NEW_SYN_RECV")

const (
	stateEstablished = 1
	stateListen      = 10
	stateUnconnected = 7 // of UDP
)

// connection is a line of /proc/net/tcp and its like.
type connection struct {
	local, remote netip.AddrPort
	state         uint64
	sent, queued  uint64
}

// netstat lists sockets: -l those that listen, -a all, -t TCP, -u UDP. Numbers are never turned into
// names, and whose sockets they are is not known.
func netstat(_ context.Context, c *command.Call) int {
	o, _, err := c.Options("l a n t u p e r w x W 4 6")
	if err == nil && o.Has("r") {
		err = errors.New("-r is not supported; /proc/net/route may have it")
	}
	if err != nil {
		return c.Usage(err)
	}
	var protocols []string
	for _, protocol := range []string{"tcp", "tcp6", "udp", "udp6"} {
		if o.Has(protocol[:1]) || o.Has("t") == o.Has("u") {
			protocols = append(protocols, protocol)
		}
	}
	which := "w/o servers"
	if o.Has("l") {
		which = "only servers"
	} else if o.Has("a") {
		which = "servers and established"
	}
	c.Printf("Active Internet connections (%s)\n%-5s %6s %6s %-23s %-23s %s\n", which,
		"Proto", "Recv-Q", "Send-Q", "Local Address", "Foreign Address", "State")
	code, found := 0, false
	for _, protocol := range protocols {
		err := eachConnection("/proc/net/"+protocol, func(n connection) {
			if n.shown(protocol[:3], o) {
				n.print(c, protocol)
			}
		})
		switch {
		case err == nil:
			found = true
		case !errors.Is(err, fs.ErrNotExist) || !strings.HasSuffix(protocol, "6"): // no IPv6: no file
			code = c.Problem("/proc/net/"+protocol, err)
		}
	}
	if !found && code != 0 {
		c.Errorf("this container shows no sockets")
	}
	return code
}

func (n connection) shown(protocol string, o command.Options) bool {
	listens := n.state == stateListen || protocol == "udp" && n.state == stateUnconnected
	return o.Has("a") || listens == o.Has("l")
}

func (n connection) print(c *command.Call, protocol string) {
	state := ""
	if protocol[:3] == "tcp" || n.state == stateEstablished {
		state = stateName(n.state)
	}
	c.Printf("%-5s %6d %6d %-23s %-23s %s\n", protocol, n.queued, n.sent, shortAddr(n.local), shortAddr(n.remote), state)
}

func stateName(state uint64) string {
	if state >= 1 && state <= uint64(len(states)) {
		return states[state-1]
	}
	return "UNKNOWN"
}

// shortAddr writes an address as netstat does: a port 0 is a star.
func shortAddr(a netip.AddrPort) string {
	port := strconv.Itoa(int(a.Port()))
	if a.Port() == 0 {
		port = "*"
	}
	return a.Addr().String() + ":" + port
}

func eachConnection(file string, do func(connection)) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	return parseConnections(f, do)
}

// maxTable bounds a table of the kernel's.
const maxTable = 64 << 20

// parseConnections reads such a table. The first line is its head; lines of another form are passed
// over.
func parseConnections(r io.Reader, do func(connection)) error {
	lines := bufio.NewScanner(io.LimitReader(r, maxTable))
	for first := true; lines.Scan(); first = false {
		if first {
			continue
		}
		if n, ok := parseConnection(lines.Text()); ok {
			do(n)
		}
	}
	return lines.Err()
}

func parseConnection(line string) (n connection, ok bool) {
	fields := strings.Fields(line)
	if len(fields) < 5 {
		return n, false
	}
	var err1, err2, err3, err4, err5 error
	n.local, err1 = parseKernelAddr(fields[1])
	n.remote, err2 = parseKernelAddr(fields[2])
	n.state, err3 = strconv.ParseUint(fields[3], 16, 8)
	sent, queued, both := strings.Cut(fields[4], ":")
	n.sent, err4 = strconv.ParseUint(sent, 16, 32)
	n.queued, err5 = strconv.ParseUint(queued, 16, 32)
	return n, both && errors.Join(err1, err2, err3, err4, err5) == nil
}

// parseKernelAddr reads 0100007F:1F90: words of 32 bits in the machine's order, then the port.
func parseKernelAddr(text string) (netip.AddrPort, error) {
	words, port, _ := strings.Cut(text, ":")
	raw, err := hex.DecodeString(words)
	if err != nil || len(raw) != 4 && len(raw) != 16 {
		return netip.AddrPort{}, fmt.Errorf("%.40q: not an address", text)
	}
	for i := 0; i < len(raw); i += 4 {
		binary.BigEndian.PutUint32(raw[i:], binary.LittleEndian.Uint32(raw[i:]))
	}
	number, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%.40q: not an address", text)
	}
	addr, _ := netip.AddrFromSlice(raw) // of 4 or 16 bytes
	return netip.AddrPortFrom(addr, uint16(number)), nil
}
