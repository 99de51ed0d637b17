// SPDX-License-Identifier: Apache-2.0

package seccomp

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the tables of system calls anew")

// TestCallsAreThoseOfTheSystem: the tables hold what golang.org/x/sys has from
// the kernel's headers. After an update of that module:
// go test ./runtime/seccomp -run TestCalls -update
func TestCallsAreThoseOfTheSystem(t *testing.T) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "golang.org/x/sys").Output()
	if err != nil {
		t.Fatal(err)
	}
	for arch, audit := range map[string]string{"amd64": "AUDIT_ARCH_X86_64", "arm64": "AUDIT_ARCH_AARCH64"} {
		source := filepath.Join(strings.TrimSpace(string(dir)), "unix", "zsysnum_linux_"+arch+".go")
		want := table(t, source, audit)
		file := "calls_" + arch + ".go"
		if *update {
			if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(file); err != nil || string(got) != want {
			t.Errorf("%s is not what %s says, %v: run this test with -update", file, source, err)
		}
	}
	if n := numbers()["read"]; len(numbers()) < 300 || n != needsNumber("read") {
		t.Errorf("%d calls, read is %d", len(numbers()), n)
	}
}

func needsNumber(name string) uint32 {
	for _, n := range needs {
		if n.name == name {
			return n.number
		}
	}
	return 0
}

// table is the file for one machine.
func table(t *testing.T, source, audit string) string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), source, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "// SPDX-License-Identifier: Apache-2.0\n\npackage seccomp\n\n"+
		"import \"golang.org/x/sys/unix\"\n\nconst auditArch = unix.%s\n\n"+
		"// calls are this machine's system calls, written by TestCallsAreThoseOfTheSystem.\nconst calls = `", audit)
	line := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "SYS_") {
			return true
		}
		word := strings.ToLower(strings.TrimPrefix(spec.Names[0].Name, "SYS_")) + "=" + spec.Values[0].(*ast.BasicLit).Value
		if line+len(word) > 110 {
			b.WriteString("\n")
			line = 0
		}
		if line > 0 {
			b.WriteString(" ")
			line++
		}
		b.WriteString(word)
		line += len(word)
		return false
	})
	b.WriteString("`\n")
	return b.String()
}

// TestNeedsAreNamedRight: a name beside another call's number would refuse the
// wrong profiles.
func TestNeedsAreNamedRight(t *testing.T) {
	for _, n := range needs {
		if number, ok := numbers()[n.name]; !ok || number != n.number {
			t.Errorf("%s is %d, the table says %d", n.name, n.number, number)
		}
	}
}
