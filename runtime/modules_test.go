// SPDX-License-Identifier: Apache-2.0

package runtime_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/containerd/errdefs"

	"github.com/wazelet/wazelet/integration/guests"
	"github.com/wazelet/wazelet/integration/guests/tiny"
	"github.com/wazelet/wazelet/runtime"
	"github.com/wazelet/wazelet/runtime/engine"
)

// cache opens the module cache in dir, as a daemon's start does.
func cache(t testing.TB, dir string, size int64) *runtime.Modules {
	t.Helper()
	m, err := runtime.NewModules(runtime.ModulesOptions{Dir: dir, WorkerPath: workerPath, Parallel: 2, Size: size})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// ensure has a module in the cache and returns the directory of its entry.
func ensure(t testing.TB, m *runtime.Modules, wasm []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "module.wasm")
	if err := os.WriteFile(path, wasm, 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	compiled, err := m.Ensure(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	defer compiled.Dir.Close()
	return compiled.Dir.Name()
}

func entriesOf(t *testing.T, dir string) int {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// However many containers want a module at once, one compiler runs, and none
// after a restart.
func TestAModuleIsCompiledOnce(t *testing.T) {
	d := newDaemon(t)
	img := d.pull("hello:1", tiny.Pause("up\n"))
	sb := d.pod("crowd")
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			if _, err := d.containers.Create(t.Context(), sb.ID, runtime.Config{Name: strconv.Itoa(i), ImageID: img.ID, LogPath: fmt.Sprint(i, ".log")}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := d.modules.Compiles(); n != 1 {
		t.Errorf("%d compilers ran for 50 containers", n)
	}
	d.close()
	d.open()
	d.create(sb, img, func(c *runtime.Config) { c.Name = "after" })
	if n := d.modules.Compiles(); n != 0 {
		t.Errorf("%d compilers ran after the restart", n)
	}
}

// A module that is refused costs its compiler once, and nothing that the compiler
// may have written is kept.
func TestARefusalIsRemembered(t *testing.T) {
	dir := t.TempDir()
	for _, want := range []int64{1, 0} {
		m := cache(t, dir, 0)
		for range 3 {
			file, err := os.CreateTemp(t.TempDir(), "")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := file.Write(tiny.MissingImport()); err != nil {
				t.Fatal(err)
			}
			_, err = m.Ensure(t.Context(), file)
			refusal, ok := errors.AsType[*runtime.Refusal](err)
			if !ok || !errdefs.IsInvalidArgument(err) || !strings.Contains(refusal.Words, "env.nowhere") {
				t.Fatalf("error = %v", err)
			}
			if refusal.Info == nil || refusal.Info.Kind != engine.KindCommand || len(refusal.Info.Missing) != 1 {
				t.Errorf("the module is described as %+v", refusal.Info)
			}
			file.Close()
		}
		if n := m.Compiles(); n != want {
			t.Errorf("%d compilers ran, want %d", n, want)
		}
	}
}

// What the compiler did not write is not run: it is found before its first use,
// and made anew.
func TestChangedEntriesAreMadeAnew(t *testing.T) {
	wasm := tiny.Hello("hello\n")
	for name, change := range map[string]func(t *testing.T, entry string){
		"module": func(t *testing.T, entry string) {
			edit(t, filepath.Join(entry, "module.wasm"), func(b []byte) []byte { return append(b, 0, 2, 1, 'x') })
		},
		"code": func(t *testing.T, entry string) {
			edit(t, filepath.Join(entry, "code"), func(b []byte) []byte { return append([]byte{^b[0]}, b[1:]...) })
		},
		"information": func(t *testing.T, entry string) {
			edit(t, filepath.Join(entry, "info.json"), func(b []byte) []byte { return bytes.Replace(b, []byte("command"), []byte("reactor"), 1) })
		},
		"file more": func(t *testing.T, entry string) {
			write(t, filepath.Join(entry, "more"), nil)
		},
		"no record": func(t *testing.T, entry string) {
			if err := os.Remove(filepath.Join(entry, "entry.json")); err != nil {
				t.Fatal(err)
			}
		},
		"other module": func(t *testing.T, entry string) {
			edit(t, filepath.Join(entry, "entry.json"), func(b []byte) []byte { return bytes.Replace(b, []byte("sha256:"), []byte("sha256:0"), 1) })
		},
		"refusal planted": func(t *testing.T, entry string) {
			write(t, filepath.Join(entry, "failure.json"), []byte(`"never"`))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			entry := ensure(t, cache(t, dir, 0), wasm)
			change(t, entry)
			m := cache(t, dir, 0)
			ensure(t, m, wasm)
			if n := m.Compiles(); n != 1 || entriesOf(t, dir) != 1 {
				t.Errorf("%d compilers ran, %d entries", n, entriesOf(t, dir))
			}
			ensure(t, m, wasm)
			if n := m.Compiles(); n != 1 {
				t.Errorf("%d compilers ran in the end", n)
			}
		})
	}
}

// An entry that was verified is verified again once somebody has touched it, even if
// its size and the time of its last write are what they were.
func TestTouchedEntriesAreVerifiedAgain(t *testing.T) {
	dir := t.TempDir()
	m := cache(t, dir, 0)
	wasm := tiny.Hello("hello\n")
	code := filepath.Join(ensure(t, m, wasm), "code")
	st, err := os.Stat(code)
	if err != nil {
		t.Fatal(err)
	}
	edit(t, code, func(b []byte) []byte { return append([]byte{^b[0]}, b[1:]...) })
	if err := os.Chtimes(code, time.Time{}, st.ModTime()); err != nil {
		t.Fatal(err)
	}
	ensure(t, m, wasm)
	if n := m.Compiles(); n != 2 || entriesOf(t, dir) != 1 {
		t.Errorf("%d compilers ran, %d entries", n, entriesOf(t, dir))
	}
}

func edit(t *testing.T, path string, change func([]byte) []byte) {
	t.Helper()
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	after := change(before)
	if bytes.Equal(before, after) {
		t.Fatalf("%s is not changed", path)
	}
	write(t, path, after)
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// age makes entries look unused for that long.
func age(t *testing.T, by time.Duration, entries ...string) {
	t.Helper()
	for _, entry := range entries {
		if err := os.Chtimes(filepath.Join(entry, "entry.json"), time.Now().Add(-by), time.Now().Add(-by)); err != nil {
			t.Fatal(err)
		}
	}
}

// Entries that were not used the longest make room; what is in use just now stays.
func TestTheCacheKeepsItsSize(t *testing.T) {
	dir := t.TempDir()
	m := cache(t, dir, 1) // anything is too much
	old := ensure(t, m, tiny.Hello("old\n"))
	older := ensure(t, m, tiny.Hello("older\n"))
	ensure(t, m, tiny.Hello("new\n"))
	age(t, time.Hour, old)
	age(t, 2*time.Hour, older)
	if err := m.Collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := entriesOf(t, dir); n != 1 {
		t.Errorf("%d entries are left, want the one that was just used", n)
	}
	ensure(t, m, tiny.Hello("old\n"))
	if n := m.Compiles(); n != 4 {
		t.Errorf("%d compilers ran, want one for each entry and one for what made room", n)
	}

	roomy := t.TempDir()
	r := cache(t, roomy, 1<<30)
	age(t, 1000*time.Hour, ensure(t, r, tiny.Hello("old\n")))
	if err := r.Collect(t.Context()); err != nil || entriesOf(t, roomy) != 1 {
		t.Errorf("with room, %d entries are left, %v", entriesOf(t, roomy), err)
	}
}

// Another engine's or processor's entries, and what is none, are removed.
func TestEntriesOfOthersAreRemoved(t *testing.T) {
	dir := t.TempDir()
	m := cache(t, dir, 0)
	kept, foreign := ensure(t, m, tiny.Hello("kept\n")), ensure(t, m, tiny.Hello("foreign\n"))
	edit(t, filepath.Join(foreign, "entry.json"), func(b []byte) []byte {
		var record map[string]any
		if err := json.Unmarshal(b, &record); err != nil {
			t.Fatal(err)
		}
		record["platform"] = "format 0, wazero v0"
		raw, err := json.Marshal(record)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	})
	if err := os.Mkdir(filepath.Join(dir, "nothing"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := m.Collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(kept); err != nil || entriesOf(t, dir) != 1 {
		t.Errorf("%d entries are left, %v", entriesOf(t, dir), err)
	}
}

func TestForget(t *testing.T) {
	dir := t.TempDir()
	m := cache(t, dir, 0)
	entry := ensure(t, m, tiny.Hello("a\n"))
	raw, err := os.ReadFile(filepath.Join(entry, "entry.json"))
	if err != nil {
		t.Fatal(err)
	}
	var record struct{ Module string }
	if err := json.Unmarshal(raw, &record); err != nil || !m.Has(record.Module) {
		t.Fatalf("record %s, %v", raw, err)
	}
	for range 2 {
		if err := m.Forget(record.Module); err != nil || m.Has(record.Module) || entriesOf(t, dir) != 0 {
			t.Errorf("%v, %d entries are left", err, entriesOf(t, dir))
		}
	}
}

// A compiler that nobody waits for any more is ended with the last pull that wanted it, and leaves nothing; one that a
// container's creation waited for goes on for the next.
func TestCompilersEndWithTheirPulls(t *testing.T) {
	wasm, err := guests.Read(guestDir, "web")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "module.wasm")
	write(t, path, wasm)
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	dir := t.TempDir()
	m := cache(t, dir, 0)
	type ensure func(context.Context, *os.File) (*runtime.Compiled, error)
	begin := func(call ensure, compilers int64) (ended chan error, cancel func()) {
		ctx, cancel := context.WithCancel(t.Context())
		ended = make(chan error, 1)
		go func() {
			_, err := call(ctx, file)
			ended <- err
		}()
		for m.Compiles() < compilers {
			time.Sleep(time.Millisecond) // nothing announces it
		}
		return ended, cancel
	}
	// Two pulls: the first to leave ends nothing.
	first, leaveFirst := begin(m.EnsureWhileWanted, 1)
	second, leaveSecond := begin(m.EnsureWhileWanted, 1)
	for m.Waiting() < 2 {
		time.Sleep(time.Millisecond)
	}
	leaveFirst()
	if err := <-first; !errors.Is(err, context.Canceled) || entriesOf(t, dir) != 1 {
		t.Errorf("%v, %d folders", err, entriesOf(t, dir))
	}
	leaveSecond()
	if err := <-second; !errors.Is(err, context.Canceled) || entriesOf(t, dir) != 0 {
		t.Errorf("%v, %d folders are left", err, entriesOf(t, dir))
	}
	// A pull and a creation: the compiler goes on.
	third, leaveThird := begin(m.Ensure, 2)
	leaveThird()
	if err := <-third; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	compiled, err := m.EnsureWhileWanted(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	compiled.Dir.Close()
	if n := m.Compiles(); n != 2 {
		t.Errorf("%d compilers ran", n)
	}
}

// BenchmarkModule has a server written in Go ready to load: compiled, from the
// cache, and from the cache after a restart of the daemon.
func BenchmarkModule(b *testing.B) {
	wasm, err := guests.Read(guestDir, "web")
	if err != nil {
		b.Fatal(err)
	}
	b.Run("compile", func(b *testing.B) {
		for range b.N {
			ensure(b, cache(b, b.TempDir(), 0), wasm)
		}
	})
	dir := b.TempDir()
	m := cache(b, dir, 0)
	ensure(b, m, wasm)
	b.Run("cached", func(b *testing.B) {
		for range b.N {
			ensure(b, m, wasm)
		}
	})
	b.Run("restarted", func(b *testing.B) {
		for range b.N {
			ensure(b, cache(b, dir, 0), wasm)
		}
	})
}
