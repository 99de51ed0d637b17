// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/wazelet/wazelet/config"
	"github.com/wazelet/wazelet/runtime/worker/launch"
)

// healthy is a node in a temporary directory where nothing that a file can
// spoil is wrong.
func healthy(t *testing.T) Options {
	t.Helper()
	dir := t.TempDir()
	c := config.Default()
	c.Root = filepath.Join(dir, "root")
	c.State = filepath.Join(dir, "state")
	c.GRPC.Address = filepath.Join(dir, "wazelet.sock")
	c.Network.ConfDir = filepath.Join(dir, "net.d")
	c.Network.BinDirs = []string{filepath.Join(dir, "none"), filepath.Join(dir, "plugins")}
	o := Options{
		Config: c, Version: "v1.2.3",
		WorkerPath:    filepath.Join(dir, "wazelet-worker"),
		KubeletConfig: filepath.Join(dir, "kubelet.yaml"),
		CrictlConfig:  filepath.Join(dir, "crictl.yaml"),
	}
	for _, worker := range []string{o.WorkerPath, launch.HTTPWorker(o.WorkerPath)} {
		write(t, worker, "#!/bin/sh\n[ \"$1\" = version ] && echo v1.2.3\n")
	}
	write(t, o.KubeletConfig, "kind: KubeletConfiguration\nfailCgroupV1: false\ncontainerRuntimeEndpoint: unix://"+c.GRPC.Address+"\n")
	write(t, o.CrictlConfig, "runtime-endpoint: unix://"+c.GRPC.Address+"\n")
	write(t, filepath.Join(c.Network.ConfDir, "10-pods.conflist"),
		`{"cniVersion":"1.0.0","name":"pods","plugins":[{"type":"ptp","ipam":{"type":"host-local"}}]}`)
	for _, plugin := range []string{"ptp", "host-local"} {
		write(t, filepath.Join(dir, "plugins", plugin),
			"#!/bin/sh\n[ \"$CNI_COMMAND\" = VERSION ] && echo '{\"cniVersion\":\"1.0.0\",\"supportedVersions\":[\"0.4.0\",\"1.0.0\"]}'\n")
	}
	return o
}

// write makes an executable file and the directories above it.
func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o700); err != nil {
		t.Fatal(err)
	}
}

// about gives the findings of one check, as "status: what".
func about(findings []Finding, check string) string {
	var lines []string
	for _, f := range findings {
		if f.Check == check || check == "" {
			lines = append(lines, string(f.Status)+": "+f.What)
		}
	}
	return strings.Join(lines, "\n")
}

func TestEveryCheckSpeaksAndEveryFaultHasItsMend(t *testing.T) {
	findings := Examine(t.Context(), healthy(t))
	silent := map[string]bool{"bridge-netfilter": true} // the pods are on no bridge
	for _, check := range checks {
		if about(findings, check.name) == "" && !silent[check.name] {
			t.Errorf("%s says nothing", check.name)
		}
	}
	for _, f := range findings {
		if f.What == "" || (f.Status == OK) != (f.Mend == "") {
			t.Errorf("%+v: a fault has a mend, and only a fault", f)
		}
	}
}

// TestThisKernelIsFit uses each kernel feature for real. Wazelet is developed
// on kernels that have all of them.
func TestThisKernelIsFit(t *testing.T) {
	findings := Examine(t.Context(), healthy(t))
	for _, check := range []string{
		"kernel", "namespaces", "user-namespaces", "pidfd", "mounts", "seccomp", "landlock", "executable-memory",
		"root", "cni-config", "cni-plugins", "worker", "kubelet", "crictl",
	} {
		if got := about(findings, check); !strings.HasPrefix(got, "ok: ") {
			t.Errorf("%s is %s", check, got)
		}
	}
	if got := about(findings, "state"); !strings.Contains(got, "not on a tmpfs") && !strings.HasPrefix(got, "ok: ") {
		t.Errorf("state is %s", got)
	}
}

func TestReportsHoldEveryFinding(t *testing.T) {
	findings := []Finding{
		{Check: "kernel", Status: OK, What: "Linux"},
		{Check: "clock", Status: Warn, What: "drifts", Mend: "Run <chrony>."},
		{Check: "worker", Status: Fail, What: "is missing", Mend: "Install it."},
	}
	var text bytes.Buffer
	if err := WriteText(&text, findings); err != nil {
		t.Fatal(err)
	}
	want := `ok    kernel  Linux
warn  clock   drifts
              → Run <chrony>.
fail  worker  is missing
              → Install it.

1 ok, 1 to look at, 1 to mend
`
	if text.String() != want {
		t.Errorf("text is\n%s\nwant\n%s", text.String(), want)
	}
	var object bytes.Buffer
	if err := WriteJSON(&object, findings); err != nil {
		t.Fatal(err)
	}
	var back struct {
		Failed   bool
		Findings []Finding
	}
	if err := json.Unmarshal(object.Bytes(), &back); err != nil || !back.Failed || !reflect.DeepEqual(back.Findings, findings) {
		t.Errorf("%v: JSON is %s", err, object.Bytes())
	}
	if Failed(findings[:2]) || !Failed(findings) {
		t.Error("a warning failed, or a failure did not")
	}
}

// TestTheDocumentationNamesEveryCheck holds docs/doctor.md to the checks.
func TestTheDocumentationNamesEveryCheck(t *testing.T) {
	page, err := os.ReadFile("../../../docs/doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(page), "\n## What is examined\n")
	if !found {
		t.Fatal("the table of checks is gone")
	}
	named := map[string]bool{}
	for line := range strings.Lines(table) {
		column, _, _ := strings.Cut(strings.TrimPrefix(line, "| "), " |")
		for name := range strings.SplitSeq(column, ", ") {
			named[strings.Trim(name, "`")] = strings.HasPrefix(name, "`")
		}
	}
	for _, check := range checks {
		if !named[check.name] {
			t.Errorf("%s is not documented", check.name)
		}
		delete(named, check.name)
	}
	for name, code := range named {
		if code {
			t.Errorf("%s is documented, but there is no such check", name)
		}
	}
}
