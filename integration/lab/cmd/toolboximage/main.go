// SPDX-License-Identifier: Apache-2.0

// Command toolboximage makes an ordinary image of the toolbox, FROM scratch: the program as
// /bin/toolbox.wasm and a link to it for every command. It writes the image as an archive of an OCI
// layout, or pushes it.
//
//	toolboximage -o toolbox.tar
//	toolboximage -push registry.example/toolbox:v1
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
		fmt.Fprintln(os.Stderr, "toolboximage:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("toolboximage", flag.ContinueOnError)
	file := flags.String("o", "", "write an archive of an OCI layout to this file")
	ref := flags.String("push", "", "push under this reference, with the credentials of docker login")
	insecure := flags.Bool("insecure", false, "push to a registry that speaks plain HTTP")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if (*file == "") == (*ref == "") {
		return errors.New("give one of -o FILE and -push REF")
	}
	files, err := image.Toolbox()
	if err != nil {
		return err
	}
	img, err := image.Files(image.ToolboxConfig(), files...)
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
		err = archive(*file, img)
	}
	if err == nil {
		fmt.Fprintln(stdout, where)
	}
	return err
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

func archive(file string, img v1.Image) error {
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	return errors.Join(image.Export(out, map[string]string{"org.opencontainers.image.ref.name": "toolbox"}, img), out.Close())
}
