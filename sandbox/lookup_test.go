// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"

	"github.com/wazelet/wazelet/record"
)

func storeOf(ids ...string) *store {
	s := newStore()
	for i, id := range ids {
		s.publish(Sandbox{ID: id, CreatedAt: time.Unix(int64(-i), 0), Config: Config{Metadata: Metadata{Name: id}}})
	}
	return s
}

func TestFindByIDAndUniqueStart(t *testing.T) {
	a, b := "ab"+strings.Repeat("0", 62), "ac"+strings.Repeat("0", 62)
	s := storeOf(a, b)
	for id, want := range map[string]string{a: a, "ab": a, a[:63]: a, "ac0": b} {
		if _, sb, err := s.find(id); err != nil || sb.ID != want {
			t.Errorf("%s: %s, %v", id, sb.ID, err)
		}
	}
	for _, id := range []string{"", "b", "0", strings.Repeat("a", 64), a + "0"} {
		if _, _, err := s.find(id); !errdefs.IsNotFound(err) {
			t.Errorf("%q: %v", id, err)
		}
	}
	if _, _, err := s.find("a"); !errdefs.IsInvalidArgument(err) || !strings.Contains(err.Error(), "more than one") {
		t.Errorf("%v", err)
	}
	if list := s.list(); len(list) != 2 || list[0].ID != b {
		t.Errorf("not the oldest first: %v", list)
	}
}

// TestAListIsTheSameUntilAChange, and the one before shows what it showed.
func TestAListIsTheSameUntilAChange(t *testing.T) {
	s := storeOf("a", "b")
	before := s.list()
	if again := s.list(); &again[0] != &before[0] {
		t.Error("another list though nothing has changed")
	}
	s.publish(Sandbox{ID: "b", CreatedAt: before[0].CreatedAt, State: StateNotReady, Config: before[0].Config})
	if list := s.list(); len(list) != 2 || list[0].State != StateNotReady || list[1] != before[1] {
		t.Errorf("one changed: %v", list)
	}
	s.remove(Sandbox{ID: "a", Config: before[1].Config})
	if list := s.list(); len(list) != 1 || list[0].ID != "b" {
		t.Errorf("one gone: %v", list)
	}
	if len(before) != 2 || before[0].State == StateNotReady {
		t.Errorf("the first list became %v", before)
	}
}

// TestANewerAttemptKeepsItsName when an older sandbox of the name goes.
func TestANewerAttemptKeepsItsName(t *testing.T) {
	s := newStore()
	m := Metadata{Name: "n"}
	for _, id := range []string{"a", "b"} {
		s.publish(Sandbox{ID: id, Config: Config{Metadata: m}})
	}
	s.remove(Sandbox{ID: "a", Config: Config{Metadata: m}})
	if sb, ok := s.byName(m); !ok || sb.ID != "b" {
		t.Errorf("%v, %v", sb.ID, ok)
	}
	s.remove(Sandbox{ID: "b", Config: Config{Metadata: m}})
	if _, ok := s.byName(m); ok {
		t.Error("a name without a sandbox")
	}
}

func TestIDsAreNeverTheSame(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		id := record.NewID()
		if !isID(id) || seen[id] {
			t.Fatal(id)
		}
		seen[id] = true
	}
	for _, id := range []string{"", strings.Repeat("0", 63), strings.Repeat("0", 65), strings.Repeat("A", 64), strings.Repeat("g", 64)} {
		if isID(id) {
			t.Errorf("%q is one", id)
		}
	}
}

func FuzzFind(f *testing.F) {
	ids := []string{strings.Repeat("a", 64), strings.Repeat("a", 63) + "b", strings.Repeat("c", 64)}
	s := storeOf(ids...)
	for _, id := range append(ids, "", "a", "c", "cc", "\x00", "zz") {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		_, sb, err := s.find(id)
		matches := 0
		for _, full := range ids {
			if id != "" && strings.HasPrefix(full, id) {
				matches++
			}
		}
		switch {
		case matches == 0 && !errdefs.IsNotFound(err), matches > 1 && !errdefs.IsInvalidArgument(err),
			matches == 1 && (err != nil || !strings.HasPrefix(sb.ID, id)):
			t.Errorf("%q: %d match, %v, %v", id, matches, sb.ID, err)
		}
	})
}

func TestWhatIsRefusedBeforeAnythingIsMade(t *testing.T) {
	n := newNode(t)
	c := n.start()
	long := strings.Repeat("h", 64)
	for name, change := range map[string]func(*Config){
		"no name":         func(c *Config) { c.Name = "" },
		"no namespace":    func(c *Config) { c.Namespace = "" },
		"no uid":          func(c *Config) { c.UID = "" },
		"no network":      func(c *Config) { c.Network = "" },
		"long hostname":   func(c *Config) { c.Hostname = long + "h" },
		"hostname of two": func(c *Config) { c.Hostname = "a\n127.0.0.1 b" },
		"server by name":  func(c *Config) { c.DNS.Servers = []string{"dns.example"} },
		"search of two":   func(c *Config) { c.DNS.Searches = []string{"a\nnameserver 192.0.2.1"} },
		"empty option":    func(c *Config) { c.DNS.Options = []string{""} },
		"port too high": func(c *Config) {
			c.PortMappings = []PortMapping{{Protocol: ProtocolTCP, ContainerPort: 80, HostPort: 65536}}
		},
		"port below zero": func(c *Config) {
			c.PortMappings = []PortMapping{{Protocol: ProtocolTCP, ContainerPort: -1, HostPort: 80}}
		},
		"to no port": func(c *Config) {
			c.PortMappings = []PortMapping{{Protocol: ProtocolTCP, ContainerPort: 0, HostPort: 80}}
		},
		"unknown protocol": func(c *Config) { c.PortMappings = []PortMapping{{Protocol: "icmp", ContainerPort: 80, HostPort: 80}} },
		"host by name": func(c *Config) {
			c.PortMappings = []PortMapping{{Protocol: ProtocolTCP, ContainerPort: 80, HostPort: 80, HostIP: "localhost"}}
		},
		"sysctl of the machine": func(c *Config) { c.Sysctls = map[string]string{"kernel.panic": "1"} },
		"sysctl of all files":   func(c *Config) { c.Sysctls = map[string]string{"fs.file-max": "1"} },
		"sysctl of ipc with the node's": func(c *Config) {
			c.NamespaceOptions.Ipc, c.Sysctls = "NODE", map[string]string{"kernel.shm_rmid_forced": "1"}
		},
		"sysctl that climbs": func(c *Config) {
			c.Sysctls = map[string]string{"net/../kernel/core_pattern": "x"}
		},
		"sysctl of the node": func(c *Config) { c.Network, c.Sysctls = NetworkNode, map[string]string{"net.ipv4.ip_forward": "1"} },
	} {
		config := podConfig("web")
		change(&config)
		if _, err := c.Create(t.Context(), config); !errdefs.IsInvalidArgument(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	n.expectFiles()
	config := nodeConfig("web")
	config.Hostname = long
	create(t, c, config)
	if _, err := New(Options{Root: t.TempDir()}); !errdefs.IsInvalidArgument(err) {
		t.Errorf("%v", err)
	}
}

// FuzzSysctlFile: no name leads out of /proc/sys, and of the network's none out
// of it.
func FuzzSysctlFile(f *testing.F) {
	for _, name := range []string{"net.ipv4.ip_forward", "net/ipv4/conf/eth0.1/arp", "net.ipv4.conf.eth0/1.arp", "../x", "net..x", "/", ".", "", "net.", "net/./x"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		file, err := sysctlFile(name)
		if err != nil {
			return
		}
		for _, part := range strings.Split(file, "/") {
			if part == "" || part == "." || part == ".." || strings.ContainsRune(part, 0) {
				t.Errorf("%q is the file %q", name, file)
			}
		}
	})
}

func TestSysctlNames(t *testing.T) {
	for name, want := range map[string]string{
		"net.ipv4.ip_forward":         "net/ipv4/ip_forward",
		"net/ipv4/conf/eth0.1/arp":    "net/ipv4/conf/eth0.1/arp",
		"net.ipv4.conf.eth0/1.arp":    "net/ipv4/conf/eth0.1/arp",
		"net.ipv4.conf.eth0/1.a.b/c.": "",
	} {
		got, err := sysctlFile(name)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func BenchmarkList500(b *testing.B) {
	s := newStore()
	for i := range 500 {
		s.publish(Sandbox{ID: record.NewID(), CreatedAt: time.Unix(int64(i), 0), Config: Config{Metadata: Metadata{Name: fmt.Sprint(i)}}})
	}
	b.ReportAllocs()
	for b.Loop() {
		s.list()
	}
}

func TestIPCSysctls(t *testing.T) {
	c := Config{Sysctls: map[string]string{
		"kernel.shm_rmid_forced": "1", "fs/mqueue/msg_max": "100", "kernel.sem": "1 2 3 4", "kernel.msgmax": "8", "net.ipv4.ip_forward": "1",
	}}
	want := map[string]string{"kernel/shm_rmid_forced": "1", "fs/mqueue/msg_max": "100", "kernel/sem": "1 2 3 4", "kernel/msgmax": "8"}
	if got := c.IPCSysctls(); !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
