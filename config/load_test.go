// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestAnAbsentKeyHasItsDefault(t *testing.T) {
	c, err := Read(strings.NewReader("version = 1\n[log]\nlevel = 'debug'\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Log.Level = "debug"
	if !reflect.DeepEqual(c, want) {
		t.Errorf("read %+v, want %+v", c, want)
	}
}

func TestEveryKeyIsRead(t *testing.T) {
	c, err := Load("testdata/every-key.toml")
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		Version: 1, Root: "/srv/wazelet", State: "/run/wz", DefaultHandler: "second",
		GRPC: GRPC{Address: "/run/wz/cri.sock"}, Streaming: Streaming{Address: "[::1]:10351"},
		Log:     Log{Level: "trace", Format: "json"},
		Metrics: Metrics{Address: "0.0.0.0:9410"}, Tracing: Tracing{Endpoint: "collector.example:4317", SamplingRatePerMillion: 1000},
		Cgroup:  Cgroup{Driver: "systemd", Parent: "pods.slice"},
		Network: Network{BinDirs: []string{"/cni/bin"}, ConfDir: "/cni/conf", Parallelism: 3},
		Image: Image{Snapshotter: "native", HostsDir: "", MaxConcurrentDownloads: 9,
			ProgressTimeout: Duration(90 * time.Second), Pinned: []string{"registry.example/base:1"},
			Policy: ImagePolicy{Default: "nothing", Rules: map[string]ImageRule{
				"team": {Scopes: []string{"registry.example:5000/team", "*.example"}, Accept: "signed", Pinned: true, Keys: []string{"/keys/team.pub"}, AnyIdentity: true},
			}}},
		Device:   Device{CDIDirs: []string{"/srv/cdi"}},
		Worker:   Worker{Path: "/opt/wazelet-worker"},
		Compiler: Compiler{Memory: 512 << 20, Timeout: Duration(time.Hour), Parallelism: 2, Cache: 1 << 30},
		Upstream: Upstream{LastKnown: Duration(time.Hour)},
		Handlers: map[string]Handler{"first": {Kind: "wasm"}, "second": {Kind: "wasm"},
			"third":  {Kind: "delegate", Endpoint: "/run/containerd.sock"},
			"fourth": {Kind: "hybrid", Endpoint: "/run/containerd.sock", UpstreamHandler: "runc"}},
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("read %+v, want %+v", c, want)
	}
	value := reflect.ValueOf(want)
	defaults := reflect.ValueOf(Default())
	for i := range value.NumField() {
		if name := value.Type().Field(i).Name; name != "Version" && reflect.DeepEqual(value.Field(i).Interface(), defaults.Field(i).Interface()) {
			t.Errorf("the test does not change %s", name)
		}
	}
}

func TestWhatIsWrongIsSaid(t *testing.T) {
	for name, test := range map[string]struct {
		file string
		want string
	}{
		"nothing":               {"", "version: is missing: a configuration starts with `version = 1`"},
		"newer":                 {"version = 2", "version: 2 is of a newer wazelet; this one reads up to 1"},
		"zero":                  {"version = 0", "version: 0 never existed; the present one is 1"},
		"version as text":       {"version = '1'", "line 1: version: is written as TOML string, not as integer"},
		"misspelt key":          {"version = 1\n[grpc]\naddr = '/a'", `line 3: unknown key "grpc.addr"; did you mean "grpc.address"?`},
		"misspelt table":        {"version = 1\n[compilers]\ntimeout = '1m'", `line 2: unknown key "compilers"; did you mean "compiler"?`},
		"key of another table":  {"version = 1\nconf_dir = '/a'", `line 2: unknown key "conf_dir"; did you mean "network.conf_dir"?`},
		"misspelt handler key":  {"version = 1\n[handlers.wasm]\nkid = 'wasm'", `line 3: unknown key "handlers.wasm.kid"; did you mean "handlers.wasm.kind"?`},
		"nothing like it":       {"version = 1\nzzz = 1", `line 2: unknown key "zzz"`},
		"text for a list":       {"version = 1\n[network]\nbin_dirs = '/a'", "line 3: network.bin_dirs: is written as TOML string, not as array of strings"},
		"number for text":       {"version = 1\nroot = 1", "line 2: root: is written as TOML integer, not as string"},
		"number for a duration": {"version = 1\n[compiler]\ntimeout = 300", `compiler.timeout: "300ns" is less than a second; a duration is written with its unit, such as "5m"`},
		"bad duration":          {"version = 1\n[compiler]\ntimeout = '5'", `line 3: compiler.timeout: "5" is not a duration such as "90s" or "5m"`},
		"bad size":              {"version = 1\n[compiler]\nmemory = '2 GB of it'", `line 3: compiler.memory: "2 GB of it" is not a size such as "512MiB" or "2GiB"`},
		"syntax":                {"version = 1\n[grpc\n", "line 2: "},
		"twice":                 {"version = 1\nroot = '/a'\nroot = '/b'", "line 3: root: key root is already defined"},
		"two at once": {"version = 1\nrot = '/a'\nstate = 'run'",
			`line 2: unknown key "rot"; did you mean "root"?` + "\n" + `state: "run" is not an absolute path`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Read(strings.NewReader(test.file))
			if err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Fatalf("error is\n%v\nwant\n%s", err, test.want)
			}
			if _, ok := errors.AsType[Findings](err); !ok {
				t.Errorf("error is a %T, want Findings", err)
			}
		})
	}
}

func TestLoadNamesTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.toml")
	if _, err := Load(path); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("absent file: %v", err)
	}
	if err := os.WriteFile(path, []byte("version = 1\nroot = 'a'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Load(path)
	findings, _ := errors.AsType[Findings](err)
	if len(findings) != 1 || findings[0].File != path || findings[0].Key != "root" || findings[0].Doc == "" {
		t.Errorf("findings are %+v", findings)
	}
	if want := path + `: root: "a" is not an absolute path`; err.Error() != want {
		t.Errorf("error is %q, want %q", err, want)
	}
}

func TestTheFileIsBounded(t *testing.T) {
	file := "version = 1\n#" + strings.Repeat("x", MaxSize)
	if _, err := Read(strings.NewReader(file)); err == nil || !strings.Contains(err.Error(), "larger than 1048576 bytes") {
		t.Errorf("error is %v", err)
	}
	if _, err := Read(strings.NewReader(file[:MaxSize])); err != nil {
		t.Errorf("a file of the greatest size: %v", err)
	}
}

func TestMigrationsRunInOrderAndKeepUnknownKeys(t *testing.T) {
	rename := func(from, to string) migration {
		return func(file map[string]any) error {
			file[to] = file[from]
			delete(file, from)
			return nil
		}
	}
	data, err := migrate([]byte("version = 1\na = 'x'\nother = 2\n"), []migration{rename("a", "b"), rename("b", "c")})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(data), "c = 'x'\nother = 2\nversion = 3\n"; got != want {
		t.Errorf("migrated to %q, want %q", got, want)
	}
	if len(migrations) != Version-1 {
		t.Errorf("%d migrations lead to version %d", len(migrations), Version)
	}
}

// FuzzRead proves that no file makes the decoder panic, and that every
// configuration it accepts is printed in a form that reads back as the same.
func FuzzRead(f *testing.F) {
	defaults, err := Default().Dump()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(defaults)
	f.Add([]byte("version = 1\n[handlers.a-1]\nkind = 'wasm'\n"))
	f.Add([]byte("version = 1\nroot = \"/a\\u0007'\\n\"\n"))
	f.Add([]byte("version = 1\n[[grpc]]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Read(strings.NewReader(string(data)))
		if err != nil {
			return
		}
		text, err := c.Dump()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Read(strings.NewReader(string(text)))
		if err != nil || !reflect.DeepEqual(c, again) {
			t.Errorf("%v: read %+v, printed\n%s\nread again %+v", err, c, text, again)
		}
	})
}

// TestDumpChangesWritesWhatDiffers keeps a file as short as an administrator would.
func TestDumpChangesWritesWhatDiffers(t *testing.T) {
	keys := func(content []byte) (keys []string) {
		for line := range strings.Lines(string(content)) {
			if !strings.HasPrefix(line, "#") && strings.TrimSpace(line) != "" {
				keys = append(keys, strings.TrimSpace(line))
			}
		}
		return keys
	}
	content, err := Default().DumpChanges()
	if got := keys(content); err != nil || len(got) != 1 || got[0] != "version = 1" {
		t.Errorf("of the defaults it writes %q, %v", got, err)
	}
	every, err := Load("testdata/every-key.toml")
	if err != nil {
		t.Fatal(err)
	}
	content, err = every.DumpChanges()
	if err != nil {
		t.Fatal(err)
	}
	if back, err := Read(strings.NewReader(string(content))); err != nil || !reflect.DeepEqual(back, every) {
		t.Errorf("it is not read back: %v\n%s", err, content)
	}
}
