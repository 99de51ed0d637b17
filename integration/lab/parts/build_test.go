// SPDX-License-Identifier: Apache-2.0

package parts

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// newModule writes a module with one program into a builder's folders.
func newModule(t *testing.T, source string) (*Builder, Part, *bytes.Buffer) {
	t.Helper()
	dir := t.TempDir()
	var log bytes.Buffer
	b := &Builder{Modules: dir, Bin: filepath.Join(dir, "bin"), Log: &log}
	write(t, filepath.Join(dir, "m", "go.mod"), "module example.test/m\n\ngo 1.26\n")
	write(t, filepath.Join(dir, "m", "go.sum"), "")
	write(t, filepath.Join(dir, "m", "main.go"), source)
	return b, Part{Name: "sub/greet", Module: "m", Package: "example.test/m", LDFlags: "-X main.text=hi"}, &log
}

const greeter = "package main\n\nvar text string\n\nfunc main() { print(text) }\n"

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestBuildOnce(t *testing.T) {
	b, p, log := newModule(t, greeter)
	for _, want := range []string{"1 built, 0 up to date", "0 built, 1 up to date"} {
		log.Reset()
		if err := b.Build(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(log.String(), want) {
			t.Errorf("log %q, want %q", log, want)
		}
	}
	out, err := exec.Command(b.Path(p.Name)).CombinedOutput()
	if err != nil || string(out) != "hi" {
		t.Errorf("program printed %q, %v", out, err)
	}
}

func TestBuildAgain(t *testing.T) {
	b, p, log := newModule(t, greeter)
	build := func() string {
		log.Reset()
		if err := b.Build(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		return log.String()
	}
	build()
	p.LDFlags = "-X main.text=ho"
	if log := build(); !strings.Contains(log, "1 built") {
		t.Errorf("flags changed: %s", log)
	}
	write(t, filepath.Join(b.Modules, "m", "go.mod"), "module example.test/m\n\ngo 1.26.0\n")
	if log := build(); !strings.Contains(log, "1 built") {
		t.Errorf("go.mod changed: %s", log)
	}
	write(t, filepath.Join(b.Modules, "m", "main.go"), greeter+"\n// changed\n")
	if log := build(); !strings.Contains(log, "1 built") {
		t.Errorf("source changed: %s", log)
	}
	if err := os.Remove(b.Path(p.Name)); err != nil {
		t.Fatal(err)
	}
	if log := build(); !strings.Contains(log, "1 built") {
		t.Errorf("program removed: %s", log)
	}
}

func TestBuildC(t *testing.T) {
	b, _, log := newModule(t, greeter)
	b.Modules = filepath.Join(b.Modules, "modules")
	p := Part{Name: "hello", Source: "c/hello.c"}
	for _, word := range []string{"hello", "goodbye"} {
		write(t, filepath.Join(filepath.Dir(b.Modules), p.Source), "#include <stdio.h>\nint main(void) { return printf(\""+word+"\") < 0; }\n")
		for _, want := range []string{"1 built", "1 up to date"} {
			log.Reset()
			if err := b.Build(t.Context(), p); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(log.String(), want) {
				t.Errorf("log %q, want %q", log, want)
			}
		}
		if out, err := exec.Command(b.Path(p.Name)).Output(); err != nil || string(out) != word {
			t.Errorf("program printed %q, %v", out, err)
		}
	}
}

func TestBuildFails(t *testing.T) {
	b, p, _ := newModule(t, "package main\n\nfunc main() { nowhere() }\n")
	err := b.Build(t.Context(), p)
	if err == nil || !strings.Contains(err.Error(), "undefined: nowhere") {
		t.Errorf("error %v shows nothing of the compiler's", err)
	}
	entries, err := os.ReadDir(filepath.Dir(b.Path(p.Name)))
	if err != nil || len(entries) != 0 {
		t.Errorf("left behind %v, %v", entries, err)
	}
}

func TestSelect(t *testing.T) {
	ps, err := Select(Laboratory(), "etcd", "kubelet")
	if err != nil || len(ps) != 2 || ps[0].Name != "kubelet" {
		t.Errorf("got %v, %v", ps, err)
	}
	if _, err := Select(Laboratory(), "etcd", "nothing"); err == nil || !strings.Contains(err.Error(), "nothing") {
		t.Errorf("an unknown name gave %v", err)
	}
}

// TestVersions: what the linker stamps into the programs is what go.mod pins.
func TestVersions(t *testing.T) {
	repo, err := Repo()
	if err != nil {
		t.Fatal(err)
	}
	for module, want := range map[string]string{
		"kubernetes":   "k8s.io/kubernetes " + kubernetesVersion,
		"kubeproxy":    "k8s.io/kubernetes " + kubernetesVersion,
		"golangcilint": "golangci-lint/v2 v" + lintVersion,
		"containerd":   "containerd/containerd/v2 " + containerdVersion,
		"helm":         "helm.sh/helm/v3 " + helmVersion,
	} {
		content, err := os.ReadFile(filepath.Join(NewBuilder(repo, nil).Modules, module, "go.mod"))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(content), want+"\n") && !strings.Contains(string(content), want+" ") {
			t.Errorf("modules/%s/go.mod does not require %s", module, want)
		}
	}
	for _, p := range slices.Concat(Laboratory(), Containerd(), Services(), Helm(), Lint()) {
		if _, err := NewBuilder(repo, nil).stamp(p); err != nil {
			t.Error(err)
		}
	}
}
