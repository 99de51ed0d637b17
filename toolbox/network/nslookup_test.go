// SPDX-License-Identifier: Apache-2.0

package network

import (
	"encoding/binary"
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

// answer makes the answer to a query: its header's second half word, and records whose names point
// at the question.
func answerTo(query []byte, flags uint16, records ...[]byte) []byte {
	be := binary.BigEndian
	message := append([]byte(nil), query...)
	be.PutUint16(message[2:], isAnswer|flags)
	be.PutUint16(message[6:], uint16(len(records)))
	for _, r := range records {
		message = append(message, r...)
	}
	return message
}

func recordOf(kind uint16, data ...byte) []byte {
	be := binary.BigEndian
	r := []byte{0xc0, headerSize}
	r = be.AppendUint32(be.AppendUint16(be.AppendUint16(r, kind), classIN), 30)
	return append(be.AppendUint16(r, uint16(len(data))), data...)
}

// zone answers for the names of a test.
func zone(query []byte, tcp bool) []byte {
	name, at, _ := parseName(query, headerSize)
	kind := binary.BigEndian.Uint16(query[at:])
	switch {
	case name == "host.example" && kind == typeA:
		return answerTo(query, 0, recordOf(typeA, 192, 0, 2, 1))
	case name == "host.example" && kind == typeAAAA:
		return answerTo(query, 0, recordOf(typeAAAA, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1))
	case name == "1.2.0.192.in-addr.arpa" && kind == typePTR:
		return answerTo(query, 0, recordOf(typePTR, append([]byte("\x04host"), "\x07example\x00"...)...))
	case name == "text.example" && kind == typeTXT:
		return answerTo(query, 0, recordOf(typeTXT, 3, 'a', 0x1b, 'b'))
	case name == "long.example" && !tcp:
		return answerTo(query, truncated)
	case name == "long.example" && kind == typeA:
		return answerTo(query, 0, recordOf(typeA, 192, 0, 2, 2))
	case name == "long.example":
		return answerTo(query, 0)
	case name == "broken.example":
		return answerTo(query, 0, []byte{0xc0})
	case name == "fails.example":
		return answerTo(query, 2)
	}
	return answerTo(query, noName)
}

func TestNSLookup(t *testing.T) {
	server := nameServerAt(t, zone)
	host, port, _ := strings.Cut(server, ":")
	head := "Server:\t\t" + host + "\nAddress:\t" + server + "\n\n"
	for _, test := range []struct {
		args           []string
		code           int
		stdout, stderr string
	}{
		{[]string{"host.example", server}, 0, head + "Name:\thost.example\nAddress: 192.0.2.1\nName:\thost.example\nAddress: 2001:db8::1\n", ""},
		{[]string{"-query=a", "-port=" + port, "host.example.", host}, 0, head + "Name:\thost.example\nAddress: 192.0.2.1\n", ""},
		{[]string{"192.0.2.1", server}, 0, head + "1.2.0.192.in-addr.arpa\tname = host.example\n", ""},
		{[]string{"-type=TXT", "text.example", server}, 0, head + `text.example` + "\t" + `text = "a\x1bb"` + "\n", ""},
		{[]string{"long.example.", server}, 0, head + "Name:\tlong.example\nAddress: 192.0.2.2\n", ""},
		{[]string{"none.example.", server}, 1, "", "nslookup: none.example.: no such name (NXDOMAIN)\n"},
		{[]string{"broken.example.", server}, 1, "", "server " + server + ": the answer is broken"},
		{[]string{"fails.example.", server}, 1, "", "server " + server + ": the server answers with error 2"},
		{[]string{"a..b", server}, 1, "", `"a..b.": not a name`},
		{[]string{"host.example", "127.0.0.1:" + freePort(t)}, 1, "", "Connection refused"},
		{[]string{"host.example", "127.0.0.1:0"}, 1, "", "not a port"},
		{[]string{"-type=ANY", "host.example"}, 2, "", "-type=ANY: not supported"},
		{nil, 2, "", "which name?"},
	} {
		t.Run(strings.Join(test.args, " "), func(t *testing.T) {
			expect(t, run(t, "", append([]string{"nslookup"}, test.args...)...), test.code, test.stdout, test.stderr)
		})
	}
}

func TestSearchDomains(t *testing.T) {
	r := parseResolvConf("# a comment\nnameserver 10.96.0.10\nnameserver\nsearch ns.svc.cluster.local svc.cluster.local.\noptions timeout:1 ndots:5\n")
	if want := (resolver{servers: []string{"10.96.0.10"}, search: []string{"ns.svc.cluster.local", "svc.cluster.local."}, ndots: 5}); !reflect.DeepEqual(r, want) {
		t.Errorf("%+v, want %+v", r, want)
	}
	for name, want := range map[string]string{
		"web":         "web.ns.svc.cluster.local. web.svc.cluster.local. web.",
		"a.b.c.d.e.f": "a.b.c.d.e.f. a.b.c.d.e.f.ns.svc.cluster.local. a.b.c.d.e.f.svc.cluster.local.",
		"web.":        "web.",
	} {
		if got := strings.Join(r.candidates(name), " "); got != want {
			t.Errorf("%s may be %s, want %s", name, got, want)
		}
	}
	if got := parseResolvConf("options ndots:99999\n").ndots; got != maxDots {
		t.Errorf("ndots %d", got)
	}
}

func TestReverseNames(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.1":        "1.2.0.192.in-addr.arpa.",
		"::ffff:192.0.2.1": "1.2.0.192.in-addr.arpa.",
		"2001:db8::1":      "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.",
	} {
		if got := reverseName(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
	}
}

func FuzzAnswer(f *testing.F) {
	query, err := newQuery(7, "host.example", typeA)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(answerTo(query, 0, recordOf(typeA, 192, 0, 2, 1)))
	f.Add(answerTo(query, 0, recordOf(typePTR, 0xc0, headerSize), recordOf(typeTXT, 1, 'a'), recordOf(typeMX, 0, 1, 0xc0, headerSize)))
	f.Add(answerTo(query, 0, recordOf(typeSRV, 0, 1, 0, 2, 0, 3, 0xc0, 0xff), recordOf(typeNS, 0xc0, headerSize)))
	f.Fuzz(func(t *testing.T, message []byte) {
		records, err := parseAnswer(message, query)
		if err != nil && records != nil || len(records) > maxRecords {
			t.Errorf("%v with %v", records, err)
		}
		for _, r := range records {
			if len(r.name) > 4*maxName+4 || strings.ContainsFunc(r.name+r.value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
				t.Errorf("%q", r)
			}
		}
	})
}

func FuzzResolvConf(f *testing.F) {
	f.Add("nameserver ::1\nsearch a b\noptions ndots:2", "name")
	f.Fuzz(func(t *testing.T, content, name string) {
		r := parseResolvConf(content)
		if r.ndots < 0 || r.ndots > maxDots || len(r.servers) > maxServers || len(r.candidates(name)) > maxSearch+1 {
			t.Errorf("%+v", r)
		}
	})
}
