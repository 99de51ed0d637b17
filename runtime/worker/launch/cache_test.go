// SPDX-License-Identifier: Apache-2.0

package launch_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/wazelet/wazelet/runtime/worker/launch"
)

// compiled holds the compiled form of each module the tests use, as the
// daemon's module cache does.
var compiled struct {
	sync.Mutex
	dirs map[string]string
}

// compileCached compiles with the confined compiler, once per module.
func compileCached(t testing.TB) launch.Compile {
	return func(ctx context.Context, module *os.File) (*os.File, string, error) {
		sum := sha256.New()
		if _, err := io.Copy(sum, io.NewSectionReader(module, 0, 1<<30)); err != nil {
			return nil, "", err
		}
		digest := "sha256:" + hex.EncodeToString(sum.Sum(nil))
		compiled.Lock()
		defer compiled.Unlock()
		dir, ok := compiled.dirs[digest]
		if !ok {
			var err error
			if dir, err = os.MkdirTemp(filepath.Dir(workerPath), "compiled"); err != nil {
				return nil, "", err
			}
			err = launch.Compiler(ctx, launch.CompilerOptions{WorkerPath: workerPath, Module: module, OutDir: dir})
			if err != nil {
				return nil, "", err
			}
			if compiled.dirs == nil {
				compiled.dirs = map[string]string{}
			}
			compiled.dirs[digest] = dir
		}
		f, err := os.Open(dir)
		return f, digest, err
	}
}

// moduleFile writes a module's bytes to a file.
func moduleFile(t testing.TB, wasm []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "guest.wasm")
	if err := os.WriteFile(name, wasm, 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// logTexts cuts time, stream and tag off each record.
func logTexts(t testing.TB, log string) []string {
	t.Helper()
	var texts []string
	for line := range strings.Lines(log) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 4)
		if len(fields) != 4 {
			t.Fatalf("log record %q", line)
		}
		texts = append(texts, fields[3])
	}
	return texts
}

func join(lines []string) string { return strings.Join(lines, "\n") }
