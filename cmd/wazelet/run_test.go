// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/integration/guests/tiny"
)

func TestTheGuestSeesWhatItIsGivenAndNothingElse(t *testing.T) {
	each(t, func(t *testing.T, u user) {
		u.write(t, "note", []byte("from the host"))
		got := u.run(t, "typed in",
			"-e", "PLAIN=a value", "--env", "EMPTY=", "-e", "OWN", "-e", "UNSET_HERE", "--workdir", "/work",
			"--dir", ".:/work", "--dir", u.home+":/frozen:ro", "--dir", u.home,
			guestModule, "args", "env,PLAIN", "env,EMPTY", "env,OWN", "env,HOME", "env,PWD", "cwd", "stdin",
			"cat,note", "write,made,by the guest", "write,/frozen/made,x", "cat,"+u.home+"/note", "ls,/", "--flag,of the guest")
		want := strings.NewReplacer("HOME", u.home).Replace(`args: /guest.wasm args env,PLAIN env,EMPTY env,OWN env,HOME env,PWD cwd stdin cat,note write,made,by the guest write,/frozen/made,x cat,HOME/note ls,/ --flag,of the guest
`)
		want = strings.Replace(want, "env,"+u.home+" ", "env,HOME ", 1) + `env,PLAIN: a value
env,EMPTY: 
env,OWN: own value
env,HOME: 
env,PWD: /work
cwd: /work
stdin: typed in
cat,note: from the host
write,made,by the guest: ok
write,/frozen/made,x: open /frozen/made: Read-only file system
cat,` + u.home + `/note: from the host
ls,/: dev etc frozen guest.wasm proc ` + topOf(u.home) + ` work
--flag: unknown
`
		if got.stdout != want || got.code != 2 || got.stderr != "" {
			t.Errorf("code %d, standard error %q, output\n%s\nwant\n%s", got.code, got.stderr, got.stdout, want)
		}
		info, err := os.Stat(filepath.Join(u.home, "made"))
		if err != nil {
			t.Fatal(err)
		}
		if owner := info.Sys(); info.Size() != int64(len("by the guest")) || ownerOf(owner) != u.uid {
			t.Errorf("the guest's file has %d bytes and belongs to %d", info.Size(), ownerOf(owner))
		}
	})
}

// TestAGuestResolvesNames as its caller does, unless it is given other files.
func TestAGuestResolvesNames(t *testing.T) {
	each(t, func(t *testing.T, u user) {
		got := u.run(t, "", guestModule, "lookup,localhost", "cat,/etc/resolv.conf", "write,/etc/hosts,x")
		resolvConf, err := os.ReadFile("/etc/resolv.conf")
		if err != nil {
			t.Fatal(err)
		}
		want := "lookup,localhost: 127.0.0.1\ncat,/etc/resolv.conf: " + strings.TrimSpace(string(resolvConf)) +
			"\nwrite,/etc/hosts,x: open /etc/hosts: Read-only file system\n"
		if got.stdout != want || got.code != 0 {
			t.Errorf("%+v, want output\n%s", got, want)
		}
		hosts := u.write(t, "hosts", []byte("192.0.2.7 elsewhere\n"))
		got = u.run(t, "", "--dir", hosts+":/etc/hosts", guestModule, "lookup,elsewhere")
		if got.stdout != "lookup,elsewhere: 192.0.2.7\n" {
			t.Errorf("with a hosts file of its own: %+v", got)
		}
		got = u.run(t, "", "--dir", u.home+":/etc", guestModule, "lookup,elsewhere", "cat,/etc/resolv.conf")
		if got.stdout != "lookup,elsewhere: 192.0.2.7\ncat,/etc/resolv.conf: open /etc/resolv.conf: No such file or directory\n" {
			t.Errorf("with an /etc of its own: %+v", got)
		}
	})
}

func TestAGuestMayHaveNothing(t *testing.T) {
	each(t, func(t *testing.T, u user) {
		got := u.run(t, "", "--clear-env", "--env", "ONLY=this", "--no-dirs", guestModule,
			"args", "env,ONLY", "env,PATH", "env,HOSTNAME", "env,PWD", "ls,/", "cat,/guest.wasm")
		want := "args: /guest.wasm args env,ONLY env,PATH env,HOSTNAME env,PWD ls,/ cat,/guest.wasm\n" +
			"env,ONLY: this\nenv,PATH: \nenv,HOSTNAME: \nenv,PWD: \n" +
			"ls,/: open /: Bad file number\ncat,/guest.wasm: open /guest.wasm: Bad file number\n"
		if got.stdout != want || got.code != 0 || got.stderr != "" {
			t.Errorf("code %d, standard error %q, output\n%s\nwant\n%s", got.code, got.stderr, got.stdout, want)
		}
	})
}

func TestTheGuestsEndIsTheCommands(t *testing.T) {
	each(t, func(t *testing.T, u user) {
		module := func(name string, wasm []byte) string { return u.write(t, name, wasm) }
		for _, test := range []struct {
			name   string
			args   []string
			code   int
			stdout string
			stderr string // how it begins
		}{
			{"success", []string{module("hello.wasm", tiny.Print("out\n", "err\n", 0))}, 0, "out\n", "err\n"},
			{"failure", []string{guestModule, "exit,7"}, 7, "", ""},
			{"trap", []string{module("trap.wasm", tiny.Trap())}, 134, "", "wasm trap: unreachable\n"},
			{"component", []string{module("component.wasm", tiny.Component())}, 126, "", "wazelet: /component.wasm: module is a WebAssembly component"},
			{"missing import", []string{module("import.wasm", tiny.MissingImport())}, 126, "", "wazelet: /import.wasm: module imports what this runtime does not provide: "},
			{"nothing to run", []string{module("library.wasm", tiny.NoStart())}, 126, "", "wazelet: /library.wasm: module has no _start function"},
			{"text", []string{module("text.wasm", []byte("hello"))}, 126, "", "wazelet: /text.wasm: "},
			{"directory", []string{"./"}, 126, "", "wazelet: module ./: not a regular file"},
			{"absent module", []string{"absent.wasm"}, 127, "", "wazelet: module absent.wasm: no such file\n"},
			{"absent path", []string{"./absent"}, 127, "", "wazelet: module ./absent: no such file\n"},
			{"no module", nil, 125, "", "wazelet: run what? Name a module's file or an image\n"},
			{"unknown flag", []string{"--nonsense", guestModule}, 125, "", "wazelet: unknown flag: --nonsense\n"},
			{"absent directory", []string{"--dir", "absent", guestModule}, 125, "", "wazelet: --dir: stat " + u.home + "/absent: no such file or directory\n"},
			{"bad directory", []string{"--dir", ".:relative", guestModule}, 125, "", `wazelet: --dir: ".:relative": the guest's path must be absolute, and not the root: write it as HOST`},
			{"both some directories and none", []string{"--dir", ".", "--no-dirs", guestModule}, 125, "", "wazelet: --dir and --no-dirs: give one of them\n"},
			{"bad variable", []string{"--env", "=x", guestModule}, 125, "", `wazelet: --env: "=x" has no name` + "\n"},
			{"bad working directory", []string{"-w", "relative", guestModule}, 125, "", `wazelet: --workdir: "relative" is not an absolute path of the guest` + "\n"},
			{"bad image name", []string{"Not/An Image"}, 126, "", "wazelet: image Not/An Image: "},
		} {
			t.Run(test.name, func(t *testing.T) {
				got := u.run(t, "", test.args...)
				if got.code != test.code || got.stdout != test.stdout || !strings.HasPrefix(got.stderr, test.stderr) || test.stderr == "" && got.stderr != "" {
					t.Errorf("%+v, want %+v", got, test)
				}
			})
		}
	})
}

func TestASignalEndsTheGuest(t *testing.T) {
	each(t, func(t *testing.T, u user) {
		for _, test := range []struct {
			signal unix.Signal
			code   int
		}{{unix.SIGINT, 130}, {unix.SIGTERM, 143}} {
			r := u.begin(t, "args: ", guestModule, "args", "sleep,1h")
			if err := r.cmd.Process.Signal(test.signal); err != nil {
				t.Fatal(err)
			}
			if code := r.end(t); code != test.code {
				t.Errorf("%v: exit code %d, want %d", test.signal, code, test.code)
			}
		}
		if left := listing(t, u.store("runs")); left != "" {
			t.Errorf("left behind: %s", left)
		}
	})
}

// TestACrashOfTheWorkerIsTold shows its first words, and not that they are no
// exit record.
func TestACrashOfTheWorkerIsTold(t *testing.T) {
	each(t, func(t *testing.T, u user) {
		r := u.begin(t, "args: ", guestModule, "args", "sleep,1h")
		if err := unix.Kill(r.worker(t), unix.SIGABRT); err != nil {
			t.Fatal(err)
		}
		if code := r.end(t); code != 134 || !strings.HasSuffix(r.stderr.String(), "\nwazelet: worker crashed: SIGABRT: abort\n") {
			t.Errorf("code %d, standard error\n%s", code, r.stderr)
		}
	})
}

func TestTheSecondRunIsFromTheCache(t *testing.T) {
	each(t, func(t *testing.T, u user) {
		hello := u.write(t, "hello.wasm", tiny.Hello("hello\n"))
		var entries [2]string
		for i := range entries {
			if got := u.run(t, "", hello); got.code != 0 || got.stdout != "hello\n" {
				t.Fatalf("%+v", got)
			}
			entries[i] = modified(t, u.store("modules"))
		}
		if entries[0] != entries[1] || entries[0] == "" {
			t.Errorf("the cache went from\n%s\nto\n%s", entries[0], entries[1])
		}
		if left := listing(t, u.store("runs")); left != "" {
			t.Errorf("left behind: %s", left)
		}
	})
}

func TestRunsOfOneUserDoNotDisturbEachOther(t *testing.T) {
	each(t, func(t *testing.T, u user) {
		first := u.begin(t, "args: ", guestModule, "args", "stdin", "sleep,1h")
		if got := u.run(t, "", guestModule, "exit,3"); got.code != 3 {
			t.Errorf("%+v beside another run", got)
		}
		if got := strings.Count(listing(t, u.store("runs")), "\n"); got != 1 {
			t.Errorf("%d runs are known, want the one that runs", got)
		}
		// A run that is killed takes its guest with it, and the next one clears up.
		if err := first.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, first.stdout); err != nil { // until nobody has it any more
			t.Fatal(err)
		}
		if code := first.end(t); code != -1 {
			t.Errorf("exit code %d of a killed run", code)
		}
		if got := u.run(t, "", guestModule, "exit,3"); got.code != 3 {
			t.Errorf("%+v after a killed run", got)
		}
		if left := listing(t, u.store("runs")); left != "" {
			t.Errorf("left behind: %s", left)
		}
	})
}

// TestTheDocumentationNamesEveryFlag holds docs/run.md to the command.
func TestTheDocumentationNamesEveryFlag(t *testing.T) {
	page, err := os.ReadFile("../../docs/run.md")
	if err != nil {
		t.Fatal(err)
	}
	command, _, err := newRoot(nil).Find([]string{"run"})
	if err != nil {
		t.Fatal(err)
	}
	flags := 0
	command.Flags().VisitAll(func(flag *pflag.Flag) {
		flags++
		documented := regexp.MustCompile("\\| `--" + flag.Name + "[ `]")
		if !documented.MatchString(string(page)) {
			t.Errorf("--%s is not documented", flag.Name)
		}
	})
	if flags < 4 {
		t.Errorf("the command has %d flags", flags)
	}
}
