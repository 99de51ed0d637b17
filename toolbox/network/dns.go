// SPDX-License-Identifier: Apache-2.0

package network

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// Types of records (RFC 1035, RFC 3596, RFC 2782).
const (
	typeA     = 1
	typeNS    = 2
	typeCNAME = 5
	typePTR   = 12
	typeMX    = 15
	typeTXT   = 16
	typeAAAA  = 28
	typeSRV   = 33
)

var typeNumbers = map[string]uint16{
	"A": typeA, "AAAA": typeAAAA, "NS": typeNS, "CNAME": typeCNAME, "PTR": typePTR, "MX": typeMX, "TXT": typeTXT, "SRV": typeSRV,
}

// record is an answer.
type record struct {
	name, value string
	kind        uint16
}

func (r record) String() string {
	switch r.kind {
	case typeA, typeAAAA:
		return fmt.Sprintf("Name:\t%s\nAddress: %s", r.name, r.value)
	case typeCNAME:
		return fmt.Sprintf("%s\tcanonical name = %s", r.name, r.value)
	case typePTR:
		return fmt.Sprintf("%s\tname = %s", r.name, r.value)
	}
	return fmt.Sprintf("%s\t%s", r.name, r.value)
}

const (
	headerSize = 12
	// recursion says in a query that the server is to ask others.
	recursion = 1 << 8
	isAnswer  = 1 << 15
	truncated = 1 << 9
	codeMask  = 0xf
	noName    = 3
	classIN   = 1
	maxName   = 255
	maxLabel  = 63
	// maxJumps bounds how many pointers a name may go through.
	maxJumps   = 32
	maxRecords = 256
)

// newQuery makes a query of one question.
func newQuery(id uint16, name string, kind uint16) ([]byte, error) {
	be := binary.BigEndian
	message := be.AppendUint16(nil, id)
	message = be.AppendUint16(message, recursion)
	message = append(message, 0, 1, 0, 0, 0, 0, 0, 0)
	for label := range strings.SplitSeq(strings.TrimSuffix(name, "."), ".") {
		if label == "" || len(label) > maxLabel {
			return nil, fmt.Errorf("%.80q: not a name", name)
		}
		message = append(append(message, byte(len(label))), label...)
	}
	if len(message) > headerSize+maxName {
		return nil, fmt.Errorf("%.80q: not a name", name)
	}
	message = append(message, 0)
	return be.AppendUint16(be.AppendUint16(message, kind), classIN), nil
}

// reverseName is the name under which an address's name is found.
func reverseName(addr netip.Addr) string {
	var b strings.Builder
	raw := addr.Unmap().AsSlice()
	for i := len(raw) - 1; i >= 0; i-- {
		if len(raw) == 4 {
			fmt.Fprintf(&b, "%d.", raw[i])
		} else {
			fmt.Fprintf(&b, "%x.%x.", raw[i]&0xf, raw[i]>>4)
		}
	}
	if len(raw) == 4 {
		return b.String() + "in-addr.arpa."
	}
	return b.String() + "ip6.arpa."
}

var (
	errOther  = errors.New("the answer to another question")
	errBroken = errors.New("the answer is broken")
	// errTruncated is an answer that was too long for a datagram.
	errTruncated = errors.New("the answer is cut short")
)

// parseAnswer reads the answer to a query. errNoName: the server knows that there is no such name.
func parseAnswer(message, query []byte) ([]record, error) {
	be := binary.BigEndian
	if len(message) < headerSize || len(query) < headerSize || be.Uint16(message) != be.Uint16(query) || be.Uint16(message[2:])&isAnswer == 0 {
		return nil, errOther
	}
	if be.Uint16(message[2:])&truncated != 0 {
		return nil, errTruncated
	}
	switch code := be.Uint16(message[2:]) & codeMask; code {
	case 0:
	case noName:
		return nil, errNoName
	default:
		return nil, fmt.Errorf("the server answers with error %d", code)
	}
	questions, answers := int(be.Uint16(message[4:])), int(be.Uint16(message[6:]))
	at := headerSize
	for range min(questions, maxRecords) {
		_, next, ok := parseName(message, at)
		if at = next + 4; !ok {
			return nil, errBroken
		}
	}
	var all []record
	for range min(answers, maxRecords) {
		one, next, ok := parseRecord(message, at)
		if !ok {
			return nil, errBroken
		}
		if at = next; one.value != "" {
			all = append(all, one)
		}
	}
	return all, nil
}

// parseRecord reads one record; its value is empty where it is of a type that is not known.
func parseRecord(message []byte, at int) (r record, next int, ok bool) {
	be := binary.BigEndian
	if r.name, at, ok = parseName(message, at); !ok || at+10 > len(message) {
		return r, 0, false
	}
	r.kind = be.Uint16(message[at:])
	size := int(be.Uint16(message[at+8:]))
	at += 10
	if at+size > len(message) {
		return r, 0, false
	}
	data := message[at : at+size]
	switch r.kind {
	case typeA, typeAAAA:
		addr, valid := netip.AddrFromSlice(data)
		if ok = valid; ok {
			r.value = addr.String()
		}
	case typeNS, typeCNAME, typePTR:
		r.value, _, ok = parseName(message, at)
	case typeMX:
		if ok = size > 2; ok {
			r.value, _, ok = parseName(message, at+2)
			r.value = fmt.Sprintf("mail exchanger = %d %s", be.Uint16(data), r.value)
		}
	case typeSRV:
		if ok = size > 6; ok {
			r.value, _, ok = parseName(message, at+6)
			r.value = fmt.Sprintf("service = %d %d %d %s", be.Uint16(data), be.Uint16(data[2:]), be.Uint16(data[4:]), r.value)
		}
	case typeTXT:
		var text strings.Builder
		for len(data) > 0 && int(data[0]) < len(data) {
			text.Write(data[1 : 1+data[0]])
			data = data[1+data[0]:]
		}
		r.value = fmt.Sprintf("text = %q", text.String())
	}
	return r, at + size, ok
}

// parseName reads a name, which may lead elsewhere by pointers; next is behind it.
func parseName(message []byte, at int) (name string, next int, ok bool) {
	var b strings.Builder
	jumps := 0
	for at < len(message) {
		n := int(message[at])
		switch {
		case n == 0:
			if jumps == 0 {
				next = at + 1
			}
			return strings.TrimSuffix(b.String(), "."), next, true
		case n&0xc0 == 0xc0 && at+1 < len(message):
			if jumps == 0 {
				next = at + 2
			}
			if jumps++; jumps > maxJumps {
				return "", 0, false
			}
			at = (n&0x3f)<<8 | int(message[at+1])
		case n > maxLabel || at+1+n > len(message) || b.Len()+n+1 > 4*maxName:
			return "", 0, false
		default:
			for _, c := range message[at+1 : at+1+n] {
				if c <= ' ' || c >= 0x7f || c == '.' || c == '\\' {
					fmt.Fprintf(&b, "\\%03d", c) // it goes to a terminal
				} else {
					b.WriteByte(c)
				}
			}
			b.WriteByte('.')
			at += 1 + n
		}
	}
	return "", 0, false
}
