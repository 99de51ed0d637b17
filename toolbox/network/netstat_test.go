// SPDX-License-Identifier: Apache-2.0

package network

import (
	"net"
	"net/netip"
	"strings"
	"testing"
)

const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000001 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 0100007F:1F90 0200007F:C001 01 0000000A:00000000 00:00000000 00000000     0        0 2 1 0 20 4 30 10 -1
a line of another form
   2: 000000000000000000000000010000000:0050 X 01 0:0 00
   3: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00
`

func TestTheKernelsTableIsRead(t *testing.T) {
	var got []string
	if err := parseConnections(strings.NewReader(table), func(n connection) {
		got = append(got, shortAddr(n.local)+" "+shortAddr(n.remote)+" "+stateName(n.state))
	}); err != nil {
		t.Fatal(err)
	}
	want := []string{"127.0.0.1:8080 0.0.0.0:* LISTEN", "127.0.0.1:8080 127.0.0.2:49153 ESTABLISHED", "::1:80 :::* LISTEN"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestNetstatShowsWhatThereIs(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	u, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, test := range []struct {
		options                    string
		listener, client, datagram bool
	}{
		{"-ltn", true, false, false}, {"-tn", false, true, false}, {"-atn", true, true, false},
		{"-lun", false, false, true}, {"-an", true, true, true}, {"-l", true, false, true},
	} {
		got := run(t, "", "netstat", test.options)
		if got.code != 0 || got.stderr != "" {
			t.Fatalf("%s: %+v", test.options, got)
		}
		has := func(protocol string, local, state string) bool {
			for line := range strings.Lines(got.stdout) {
				f := strings.Fields(line)
				if len(f) >= 5 && f[0] == protocol && f[3] == local && f[len(f)-1] == state {
					return true
				}
			}
			return false
		}
		if has("tcp", l.Addr().String(), "LISTEN") != test.listener ||
			has("tcp", conn.LocalAddr().String(), "ESTABLISHED") != test.client ||
			has("udp", u.LocalAddr().String(), "0.0.0.0:*") != test.datagram {
			t.Errorf("%s:\n%s", test.options, got.stdout)
		}
	}
	expect(t, run(t, "", "netstat", "-r"), 2, "", "-r is not supported")
}

func FuzzConnections(f *testing.F) {
	f.Add(table)
	f.Fuzz(func(t *testing.T, text string) {
		lines := 0
		_ = parseConnections(strings.NewReader(text), func(n connection) {
			lines++
			if !n.local.IsValid() || !n.remote.IsValid() || stateName(n.state) == "" {
				t.Errorf("%+v", n)
			}
			if _, err := netip.ParseAddr(n.local.Addr().String()); err != nil {
				t.Error(err)
			}
		})
		if lines > strings.Count(text, "\n") {
			t.Errorf("%d connections", lines)
		}
	})
}
