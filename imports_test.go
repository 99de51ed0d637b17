// SPDX-License-Identifier: Apache-2.0

package wazelet_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/wazelet/wazelet/"

// rank orders the packages of ARCHITECTURE.md: a package may import only what
// has a lower rank, or what lies in the same top folder.
var rank = map[string]int{
	"packaging": 0, "record": 0, "undo": 0, "cgroup": 0, "config": 0, "toolbox": 0, "observe": 0,
	"sandbox": 1, "imageservice": 1,
	"runtime": 2,
	"cri":     3,
	"cmd":     4, "integration": 4,
}

// doors names the only packages through which a dependency may come in.
var doors = []struct {
	dependency string
	only       []string
	why        string
}{
	{"k8s.io/", []string{"cri"}, "the API of Kubernetes ends at the CRI server; the domain has its own types"},
	{"google.golang.org/grpc", []string{"cri", "cmd/wazelet"}, "gRPC codes are made once, in cri; cmd listens"},
	{"github.com/prometheus/", []string{"observe"}, "what is measured has one place, and few labels"},
	{"go.opentelemetry.io/otel", []string{"observe"}, "likewise what is traced"},
	{"go.opentelemetry.io/contrib", []string{"cri"}, "the gRPC server's spans are made where the gRPC server is"},
	{"github.com/tetratelabs/wazero", []string{"runtime/engine", "runtime/wasi", "runtime/component"}, "one place to change engines"},
	{"github.com/containerd/go-cni", []string{"sandbox/network"}, "CNI is the sandbox's network and nothing else"},
	{"github.com/containernetworking/", []string{"sandbox/network"}, "CNI is the sandbox's network and nothing else"},
	{"tags.cncf.io/", []string{"runtime/device"}, "what a device's name means is found out in one place"},
	{"github.com/containerd/containerd/v2/core/remotes", []string{"imageservice/registry"}, "who talks to registries is one package"},
	{"github.com/pelletier/go-toml", []string{"config", "integration"}, "configuration is read in one place"},
	{"mvdan.cc/sh/", []string{"toolbox/shell"}, "the shell's grammar and expansion serve the shell"},
	{"github.com/spf13/cobra", []string{"cmd"}, "the command line ends at cmd"},
}

// workerDeps may appear in the worker binary; nothing else from outside may,
// because every pod pays for it.
var workerDeps = []string{
	"github.com/tetratelabs/wazero", "golang.org/x/sys",
	"github.com/mailru/easyjson", "github.com/josharian/intern",
}

// clientDeps are what makes an HTTP client large. They belong in the worker of
// containers that may make requests, and in no other's.
var clientDeps = []string{"net/http", "crypto/tls", "crypto/x509"}

type pkg struct {
	ImportPath string
	Standard   bool
	Imports    []string
}

// TestImportTable holds the import rules of ARCHITECTURE.md.
func TestImportTable(t *testing.T) {
	for _, p := range list(t, "./...") {
		from, ours := strings.CutPrefix(p.ImportPath, module)
		if !ours {
			continue
		}
		top := folder(from)
		if _, known := rank[top]; !known {
			t.Errorf("%s: folder %s has no place in the import table", p.ImportPath, top)
		}
		for _, imported := range p.Imports {
			if to, ours := strings.CutPrefix(imported, module); ours {
				if folder(to) != top && rank[folder(to)] >= rank[top] {
					t.Errorf("%s imports %s: against the direction cmd → cri → runtime → {sandbox, imageservice}", from, to)
				}
				if folder(to) == "config" && top != "cmd" && top != "integration" {
					t.Errorf("%s imports %s: only cmd reads the configuration", from, to)
				}
				continue
			}
			checkDoors(t, from, imported)
		}
	}
}

func checkDoors(t *testing.T, from, imported string) {
	t.Helper()
	if folder(from) == "integration" {
		return // tests drive real parts through whatever serves
	}
	for _, door := range doors {
		if !strings.HasPrefix(imported, door.dependency) {
			continue
		}
		through := false
		for _, only := range door.only {
			through = through || from == only || strings.HasPrefix(from, only+"/")
		}
		if !through {
			t.Errorf("%s imports %s: only %s may: %s", from, imported, strings.Join(door.only, ", "), door.why)
		}
	}
}

// TestWorkerStaysSmall keeps the daemon's libraries out of the process every
// pod has, and the HTTP client out of those that may make no requests.
func TestWorkerStaysSmall(t *testing.T) {
	for program, linksClient := range map[string]bool{"./cmd/wazelet-worker": false, "./cmd/wazelet-worker-http": true} {
		for _, p := range list(t, "-deps", program) {
			if p.Standard {
				if slices.Contains(clientDeps, p.ImportPath) && !linksClient {
					t.Errorf("%s links %s", program, p.ImportPath)
				}
				continue
			}
			allowed := strings.HasPrefix(p.ImportPath, module)
			for _, dep := range workerDeps {
				allowed = allowed || p.ImportPath == dep || strings.HasPrefix(p.ImportPath, dep+"/")
			}
			if !allowed {
				t.Errorf("%s links %s", program, p.ImportPath)
			}
		}
	}
}

func list(t *testing.T, args ...string) []pkg {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Standard,Imports"}, args...)...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var pkgs []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return pkgs
		}
		if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
}

func folder(path string) string {
	top, _, _ := strings.Cut(path, "/")
	return top
}
