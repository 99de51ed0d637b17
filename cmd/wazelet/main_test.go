// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/wazelet/wazelet/cmd/version"
	"github.com/wazelet/wazelet/config"
)

// result is what a run of the program leaves.
type result struct {
	code           int
	stdout, stderr string
}

// wazelet runs the program in this process.
func wazelet(t *testing.T, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), args, strings.NewReader(""), &stdout, &stderr)
	return result{code, stdout.String(), stderr.String()}
}

// file writes a configuration and gives its path.
func file(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAWrongCommandLineIsToldFromAFailure(t *testing.T) {
	for _, args := range [][]string{
		{"nonsense"}, {"--nonsense"}, {"config", "nonsense"}, {"config", "dump", "extra"},
		{"version", "--output", "xml"}, {"doctor", "extra"}, {"config", "check", "--config"},
	} {
		got := wazelet(t, args...)
		if got.code != exitUsage || got.stdout != "" || !strings.HasSuffix(got.stderr, "Run `wazelet help` for the commands and their flags.\n") {
			t.Errorf("%q: %+v", args, got)
		}
	}
	absent := filepath.Join(t.TempDir(), "absent.toml")
	if got := wazelet(t, "config", "dump", "--config", absent); got.code != exitFailed ||
		got.stderr != "wazelet: configuration: open "+absent+": no such file or directory\n" {
		t.Errorf("%+v", got)
	}
}

func TestHelpAndCompletion(t *testing.T) {
	for _, args := range [][]string{{}, {"help"}, {"--help"}, {"config"}, {"completion", "bash"}} {
		if got := wazelet(t, args...); got.code != 0 || got.stdout == "" || got.stderr != "" {
			t.Errorf("%q: %+v", args, got)
		}
	}
}

func TestConfigDefaultReadsBackAsTheDefaults(t *testing.T) {
	got := wazelet(t, "config", "default")
	c, err := config.Read(strings.NewReader(got.stdout))
	if got.code != 0 || err != nil || !reflect.DeepEqual(c, config.Default()) {
		t.Errorf("%v: %+v", err, got)
	}
}

func TestConfigDumpIsWhatIsInForce(t *testing.T) {
	got := wazelet(t, "config", "dump", "--config", file(t, "version = 1\nroot = '/elsewhere'\n"))
	c, err := config.Read(strings.NewReader(got.stdout))
	if got.code != 0 || err != nil || c.Root != "/elsewhere" || c.State != config.Default().State {
		t.Errorf("%v: %+v", err, got)
	}
}

func TestConfigCheckExplainsEachFinding(t *testing.T) {
	if got := wazelet(t, "config", "check", "--config", file(t, "version = 1\n")); got.code != 0 || got.stdout != "the configuration is valid\n" {
		t.Errorf("%+v", got)
	}
	path := file(t, "version = 1\n[compiler]\nmemry = '1GiB'\nparallelism = 0\n")
	want := path + `: line 3: unknown key "compiler.memry"; did you mean "compiler.memory"?
    Memory that compiling one module may take. A module that needs more fails its pull.
` + path + `: compiler.parallelism: 0 is not between 1 and 1024
    Modules that are compiled at the same time.
`
	if got := wazelet(t, "config", "check", "--config", path); got.code != exitFailed || got.stdout != want || got.stderr != "" {
		t.Errorf("%+v, want\n%s", got, want)
	}
}

func TestAnUnnamedFileMayBeAbsent(t *testing.T) {
	absent := filepath.Join(t.TempDir(), "absent.toml")
	if c, err := loadConfig(absent, false); err != nil || !reflect.DeepEqual(c, config.Default()) {
		t.Errorf("%v: %+v", err, c)
	}
	if _, err := loadConfig(absent, true); err == nil {
		t.Error("a file that was named may be absent")
	}
}

func TestVersion(t *testing.T) {
	if got := wazelet(t, "version"); got.code != 0 || got.stdout != version.String()+"\n" {
		t.Errorf("%+v", got)
	}
	got := wazelet(t, "version", "--output", "json")
	var object map[string]string
	if err := json.Unmarshal([]byte(got.stdout), &object); err != nil || object["version"] != version.String() || object["platform"] == "" {
		t.Errorf("%v: %+v", err, got)
	}
}

func TestDoctorFailsWhenPodsCannotRun(t *testing.T) {
	path := file(t, "version = 1\n[network]\nconf_dir = '"+t.TempDir()+"'\n")
	got := wazelet(t, "doctor", "--config", path, "-o", "json")
	var report struct{ Failed bool }
	if err := json.Unmarshal([]byte(got.stdout), &report); err != nil || !report.Failed || got.code != exitFailed || got.stderr != "" {
		t.Errorf("%v: %+v", err, got)
	}
	text := wazelet(t, "doctor", "--config", path)
	if text.code != exitFailed || !strings.Contains(text.stdout, "no .conflist, .conf or .json file") {
		t.Errorf("%+v", text)
	}
}

func TestAFullDiskIsNotSuccess(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	for _, args := range [][]string{{"version"}, {"version", "-o", "json"}, {"config", "default"}, {"doctor"}, {"doctor", "-o", "json"}} {
		if code := run(t.Context(), args, strings.NewReader(""), full, io.Discard); code != exitFailed {
			t.Errorf("%q: exit code %d", args, code)
		}
	}
}
