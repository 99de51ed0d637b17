// SPDX-License-Identifier: Apache-2.0

// Command ownimage makes the project's own images: that of the toolbox, FROM scratch with the program
// as /bin/toolbox.wasm and a link to it for every command; and that of the installer, FROM scratch with
// the programs. It writes the image as an archive of an OCI layout, or pushes it.
//
//	ownimage -o toolbox.tar toolbox
//	ownimage -push registry.example/installer:v1 installer
//	ownimage -push registry.example/installer:v1-arm64 -programs bin/linux-arm64 -arch arm64 installer
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/wazelet/wazelet/integration/lab/image"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "ownimage:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("ownimage", flag.ContinueOnError)
	file := flags.String("o", "", "write an archive of an OCI layout to this file")
	ref := flags.String("push", "", "push under this reference, with the credentials of docker login")
	insecure := flags.Bool("insecure", false, "push to a registry that speaks plain HTTP")
	programs := flags.String("programs", "bin", "the folder of the installer's programs")
	arch := flags.String("arch", "", "the processor they are for; this machine's by default")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if (*file == "") == (*ref == "") {
		return errors.New("give one of -o FILE and -push REF")
	}
	img, err := build(flags.Arg(0), *programs, *arch)
	if err != nil {
		return err
	}
	digest, err := img.Digest()
	if err != nil {
		return err
	}
	where := *file
	if *ref != "" {
		where, err = *ref+"@"+digest.String(), push(ctx, *ref, *insecure, img)
	} else {
		err = archive(*file, flags.Arg(0), img)
	}
	if err == nil {
		fmt.Fprintln(stdout, where)
	}
	return err
}

// build makes one of the project's images.
func build(what, programs, arch string) (img v1.Image, err error) {
	var files []image.File
	var config image.Config
	switch what {
	case "toolbox":
		files, err = image.Toolbox()
		config = image.ToolboxConfig()
	case "installer":
		files, err = image.Installer(programs)
		config = image.InstallerConfig(arch)
	default:
		return nil, fmt.Errorf("there is toolbox and installer, not %q", what)
	}
	if err != nil {
		return nil, err
	}
	return image.Files(config, files...)
}

func push(ctx context.Context, ref string, insecure bool, img v1.Image) error {
	var options []name.Option
	if insecure {
		options = append(options, name.Insecure)
	}
	parsed, err := name.ParseReference(ref, options...)
	if err != nil {
		return err
	}
	return remote.Write(parsed, img, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain))
}

func archive(file, name string, img v1.Image) error {
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	return errors.Join(image.Export(out, map[string]string{"org.opencontainers.image.ref.name": name}, img), out.Close())
}
