// SPDX-License-Identifier: Apache-2.0

package parts

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Debian is a folder of unpacked Debian packages and all they depend on. Nothing
// of it is installed: its programs run from the folder with its own libraries.
type Debian struct {
	// Name is the folder's name beside the folder of binaries.
	Name string
	// Suite is the release that every package is taken from.
	Suite string
	// Packages are those wanted.
	Packages []string
}

// Machine is what a virtual machine is made of: an emulator, a kernel that has
// the security modules of a distribution, and what loads their policies.
func Machine() Debian {
	return Debian{Name: "machine", Suite: "trixie", Packages: []string{
		"apparmor", "linux-image-cloud-amd64", "qemu-system-x86", "seabios", "secilc",
	}}
}

// WasmEdge is crun as Debian builds it, which runs Wasm modules by libwasmedge, and
// WasmEdge's own command line. sid's crun 1.28 is built without that library.
func WasmEdge() Debian {
	return Debian{Name: "wasmedge", Suite: "trixie", Packages: []string{"crun", "libwasmedge0", "wasmedge"}}
}

// archiveKeys are what Debian's archive signs with.
const archiveKeys = "/usr/share/keyrings/debian-archive-keyring.gpg"

// Unpack makes sure of d's folder and returns it. It is made once: newer
// packages are taken when d changes.
func (b *Builder) Unpack(ctx context.Context, d Debian) (string, error) {
	dir := filepath.Join(filepath.Dir(b.Bin), d.Name)
	if err := os.MkdirAll(b.Bin, 0o755); err != nil {
		return "", err
	}
	unlock, err := lock(filepath.Join(b.Bin, ".lock-"+d.Name))
	if err != nil {
		return "", err
	}
	defer unlock()
	sum := sha256.Sum256([]byte(strings.Join(append([]string{"1", d.Suite}, d.Packages...), " ")))
	stamp := hex.EncodeToString(sum[:])
	if old, err := os.ReadFile(filepath.Join(dir, ".stamp")); err == nil && string(old) == stamp {
		return dir, nil
	}
	partial := dir + ".partial"
	if err := errors.Join(os.RemoveAll(partial), os.RemoveAll(dir)); err != nil {
		return "", err
	}
	line := startLine(b.Log, "unpack Debian's "+strings.Join(d.Packages, " "))
	err = d.unpack(ctx, partial)
	if err == nil {
		err = os.WriteFile(filepath.Join(partial, ".stamp"), []byte(stamp), 0o644)
	}
	if err == nil {
		err = os.Rename(partial, dir)
	}
	line.end(err)
	if err != nil {
		return "", errors.Join(fmt.Errorf("packages of %s: %w", d.Suite, err), os.RemoveAll(partial))
	}
	return dir, nil
}

// unpack downloads and unpacks into dir, with a state of apt's own: neither the
// machine's sources nor what is installed on it changes.
func (d Debian) unpack(ctx context.Context, dir string) error {
	archive, err := archiveOf(ctx)
	if err != nil {
		return err
	}
	apt := filepath.Join(dir, "apt")
	for _, sub := range []string{"lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(apt, sub), 0o755); err != nil {
			return err
		}
	}
	for name, content := range map[string]string{
		"status":       "", // nothing is installed, so all that is needed comes
		"sources.list": fmt.Sprintf("deb [signed-by=%s] %s %s main\n", archiveKeys, archive, d.Suite),
		"apt.conf": strings.ReplaceAll(`Dir::Etc::sourcelist "DIR/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State::lists "DIR/lists";
Dir::State::status "DIR/status";
Dir::Cache "DIR/cache";
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
APT::Sandbox::User "root";
`, "DIR", apt),
	} {
		if err := os.WriteFile(filepath.Join(apt, name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	own := "APT_CONFIG=" + filepath.Join(apt, "apt.conf")
	if _, err := output(ctx, own, "apt-get", "update", "--quiet"); err != nil {
		return err
	}
	get := append([]string{"install", "--quiet", "--yes", "--download-only", "--no-install-recommends"}, d.Packages...)
	if _, err := output(ctx, own, "apt-get", get...); err != nil {
		return err
	}
	packages, err := filepath.Glob(filepath.Join(apt, "cache/archives/*.deb"))
	if err != nil {
		return err
	}
	for _, p := range packages {
		if _, err := output(ctx, own, "dpkg-deb", "--extract", p, dir); err != nil {
			return err
		}
	}
	return os.RemoveAll(apt)
}

// archiveOf is the address of Debian's archive that this machine's own sources
// name.
func archiveOf(ctx context.Context) (string, error) {
	list := []string{"indextargets", "--format", "$(REPO_URI) $(COMPONENT)", "Created-By: Packages"}
	found, err := output(ctx, "", "apt-get", list...)
	if err == nil && found == "" { // a machine that has never looked
		if _, err := output(ctx, "", "apt-get", "update", "--quiet"); err != nil {
			return "", err
		}
		found, err = output(ctx, "", "apt-get", list...)
	}
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(found) {
		uri, component, _ := strings.Cut(strings.TrimSpace(line), " ")
		if component == "main" && strings.HasSuffix(strings.TrimRight(uri, "/"), "/debian") {
			return uri, nil
		}
	}
	return "", errors.New("apt's sources on this machine name no archive of Debian: add one")
}

// Tool returns the command that runs a program of an unpacked folder with the
// folder's own libraries, whatever the machine has.
func Tool(dir, program string, args ...string) []string {
	loader, libraries := Loader(dir)
	return slices.Concat([]string{loader, "--library-path", libraries, filepath.Join(dir, program)}, args)
}

// Loader returns the dynamic linker of an unpacked folder and where its libraries
// are.
func Loader(dir string) (program, libraries string) {
	return filepath.Join(dir, "usr/lib64/ld-linux-x86-64.so.2"), filepath.Join(dir, "usr/lib/x86_64-linux-gnu")
}

// Find returns the one file of an unpacked folder that matches a pattern.
func Find(dir, pattern string) (string, error) {
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		return "", err
	}
	if len(found) != 1 {
		return "", fmt.Errorf("%s in %s: %d files: %w", pattern, dir, len(found), fs.ErrNotExist)
	}
	return found[0], nil
}

// output runs a program, with one more variable in its environment.
func output(ctx context.Context, variable, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C")
	if variable != "" {
		cmd.Env = append(cmd.Env, variable)
	}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s%s", name, args[0], err, tail(out.Bytes(), 2048), tail(errs.Bytes(), 2048))
	}
	return out.String(), nil
}
