// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/wazelet/wazelet/integration/guests"
	"github.com/wazelet/wazelet/integration/lab/image"
	"github.com/wazelet/wazelet/integration/lab/parts"
)

// Prepare makes sure of everything a laboratory needs: the machine's packages, the
// parts, the guests, and the wazelet binaries of this checkout. Only what is
// missing or out of date is made; progress goes to log.
func Prepare(ctx context.Context, log io.Writer) error {
	repo, err := parts.Repo()
	if err != nil {
		return err
	}
	if err := Install(ctx, log); err != nil {
		return err
	}
	if err := parts.NewBuilder(repo, log).Build(ctx, parts.Laboratory()...); err != nil {
		return err
	}
	start := time.Now()
	if err := guests.Build(ctx, repo, guestDir(repo)); err != nil {
		return err
	}
	if err := runIn(ctx, repo, "make", "--silent", "--no-print-directory", "build"); err != nil {
		return fmt.Errorf("build wazelet: %w", err)
	}
	fmt.Fprintf(log, "wazelet and the guests: built, %s\n", time.Since(start).Round(time.Second/10))
	return nil
}

// programs are those the kubelet and the CNI plugins run, by the Debian package
// that has them.
var programs = map[string]string{"iptables": "iptables", "mount": "mount", "umount": "mount"}

// Install installs the machine's packages whose programs are missing, where there
// is apt-get; elsewhere it says what is missing.
func Install(ctx context.Context, log io.Writer) error {
	var missing []string
	for program, pkg := range programs {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, pkg)
		}
	}
	return installPackages(ctx, log, missing)
}

func installPackages(ctx context.Context, log io.Writer, missing []string) error {
	if len(missing) == 0 {
		return nil
	}
	slices.Sort(missing)
	missing = slices.Compact(missing)
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("install the packages that hold %s, then try again", strings.Join(missing, ", "))
	}
	fmt.Fprintf(log, "install %s\n", strings.Join(missing, " "))
	return errors.Join(
		runIn(ctx, "/", "apt-get", "update", "--quiet"),
		runIn(ctx, "/", "apt-get", append([]string{"install", "--yes", "--no-install-recommends"}, missing...)...),
	)
}

func runIn(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, output.Bytes()[max(0, output.Len()-4096):])
	}
	return nil
}

func guestDir(repo string) string { return filepath.Join(parts.Cache(repo), "guests") }

// Guest returns the bytes of one of guests.Programs or guests.Servers, once built.
func Guest(name string) ([]byte, error) {
	repo, err := parts.Repo()
	if err != nil {
		return nil, err
	}
	return guests.Read(guestDir(repo), name)
}

// GuestTag is the tag that PushGuests gives to every image.
const GuestTag = "1.0"

// PushGuests stores each of guests.Programs in the open registry, as an image of
// files named registry.example/NAME:1.0 whose entrypoint is /NAME.wasm, and as a
// Wasm artifact named registry.example/NAME-module:1.0.
func (c *Cluster) PushGuests(ctx context.Context) error {
	for _, name := range guests.Programs {
		module, err := Guest(name)
		if err != nil {
			return err
		}
		files := append(BaseFiles(), image.File{Path: "/" + name + ".wasm", Content: module})
		config := image.Config{Entrypoint: []string{"/" + name + ".wasm"}}
		if _, err := c.PushFiles(ctx, Registry+"/"+name+":"+GuestTag, config, files...); err != nil {
			return err
		}
		if _, err := c.PushModule(ctx, Registry+"/"+name+"-module:"+GuestTag, module); err != nil {
			return err
		}
	}
	return nil
}

// BaseFiles are the files that images usually have beside their program: users and
// groups, and a /tmp for everybody.
func BaseFiles() []image.File {
	return []image.File{
		{Path: "/etc/"},
		{Path: "/etc/passwd", Content: []byte("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\napp:x:1000:1000:app:/home/app:/bin/false\n")},
		{Path: "/etc/group", Content: []byte("root:x:0:\nnogroup:x:65534:\napp:x:1000:\nextra:x:2000:app\n")},
		{Path: "/tmp/", Mode: 0o777},
	}
}
