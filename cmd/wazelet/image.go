// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wazelet/wazelet/cmd/wazelet/foreground"
	"github.com/wazelet/wazelet/cmd/wazelet/images"
	"github.com/wazelet/wazelet/config"
	"github.com/wazelet/wazelet/imageservice"
	"github.com/wazelet/wazelet/imageservice/push"
	"github.com/wazelet/wazelet/imageservice/registry"
)

// imageCommand is what the commands on a store have in common.
type imageCommand struct {
	load loader
	args []string // of the whole program, for running it again in a user namespace
	own  *bool
}

// newImage makes `wazelet image`.
func newImage(load loader, args []string) *cobra.Command {
	group := &cobra.Command{
		Use: "image", Short: "Look at images, fetch, make and remove them", Args: cobra.NoArgs,
		Long: `Work on the node's images, through the daemon if it runs; without root, or with
--own, on those of ` + "`wazelet run`" + `. push needs no store.`,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	i := &imageCommand{load: load, args: args}
	i.own = group.PersistentFlags().Bool("own", false, "the images of wazelet run instead of the node's")
	group.AddCommand(i.newList(), i.newPull(), i.newRemove(), i.newInspect(), i.newCheck(), newPush(load))
	return group
}

// where finds the store that is meant.
func (i *imageCommand) where(c *cobra.Command) (w images.Where, err error) {
	if w.Config, err = i.load(); err != nil {
		return w, err
	}
	if err := startLog(config.Log{Level: "error", Format: "text"}, c.ErrOrStderr()); err != nil {
		return w, err
	}
	w.Rootless = foreground.Rootless()
	if *i.own || w.Rootless {
		if w.User, err = foreground.DefaultStore(); err != nil {
			return w, err
		}
	}
	w.WorkerPath, err = workerPath(w.Config.Worker)
	return w, err
}

// with runs a command with the store, as root or in a user namespace.
func (i *imageCommand) with(c *cobra.Command, do func(images.Where, images.Store) error) (err error) {
	if foreground.NeedsUserNamespace() {
		code, err := foreground.UserNamespace(c.Context(), i.args, c.InOrStdin(), c.OutOrStdout(), c.ErrOrStderr())
		if err != nil || code != 0 {
			return &exitError{code: max(code, exitFailed), err: err}
		}
		return nil
	}
	w, err := i.where(c)
	if err != nil {
		return err
	}
	store, err := images.Open(c.Context(), w)
	if err != nil {
		return clean(err)
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	err = do(w, store)
	if _, coded := errors.AsType[*exitError](err); coded {
		return err
	}
	return clean(err)
}

func (i *imageCommand) newPull() *cobra.Command {
	return &cobra.Command{
		Use: "pull IMAGE", Short: "Fetch an image and compile its module", Args: cobra.ExactArgs(1),
		Long: "Fetch an image as the kubelet would, with the credentials of `docker login` or\n`podman login`, and print its id.",
		RunE: func(c *cobra.Command, args []string) error {
			return i.with(c, func(w images.Where, store images.Store) error {
				auth, err := images.Credentials(c.Context(), args[0])
				if err != nil {
					return err
				}
				root, began := w.Config.Root, time.Now()
				if w.User != "" {
					root = w.User
				}
				stop := images.Progress(c.ErrOrStderr(), root, args[0])
				id, err := store.Pull(c.Context(), args[0], auth)
				stop()
				if err != nil {
					return err
				}
				fmt.Fprintf(c.ErrOrStderr(), "pulled %s in %s\n", args[0], time.Since(began).Round(time.Millisecond))
				_, err = fmt.Fprintln(c.OutOrStdout(), id)
				return err
			})
		},
	}
}

func (i *imageCommand) newRemove() *cobra.Command {
	return &cobra.Command{
		Use: "rm IMAGE...", Short: "Remove images, each with all its names", Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return i.with(c, func(_ images.Where, store images.Store) error {
				var errs error
				for _, ref := range args {
					_, err := store.Get(c.Context(), ref) // an absent one is no success for a person
					if err == nil {
						err = store.Remove(c.Context(), ref)
					}
					errs = errors.Join(errs, err)
				}
				return errs
			})
		},
	}
}

func (i *imageCommand) newCheck() *cobra.Command {
	c := &cobra.Command{
		Use: "check [--repair]", Short: "Compare what is stored with its digests, and repair it", Args: cobra.NoArgs,
		Long: `Read all that images are made of and compare it with its digests, unpacked layers
with their archives, and compiled modules with what the compiler wrote; find what
belongs to nothing. With --repair, a damaged image is removed, to be pulled again,
a damaged compiled module is made anew, and what belongs to nothing is removed.
The daemon does it if it runs; its pods go on.`,
	}
	repair := c.Flags().Bool("repair", false, "remove what is damaged or belongs to nothing, compile anew")
	form := outputFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		return i.with(c, func(_ images.Where, store images.Store) error {
			report, err := store.Check(c.Context(), *repair)
			if err != nil {
				return err
			}
			if *form == "json" {
				err = writeJSON(c.OutOrStdout(), report)
			} else {
				err = showReport(c.OutOrStdout(), report)
			}
			if err == nil && report.Damaged() {
				return &exitError{code: exitFailed}
			}
			return err
		})
	}
	return c
}

// newPush makes `wazelet image push`, which needs neither root nor a store.
func newPush(load loader) *cobra.Command {
	c := &cobra.Command{
		Use: "push [flags] PATH IMAGE", Short: "Make an image of a module or a folder and push it", Args: cobra.ExactArgs(2),
		Long: "Make an image of a .wasm file, a component too, or of a folder, push it with the credentials of\n`docker login` or `podman login`, and print its name by digest. The same input gives\nthe same digest.",
		Example: `  wazelet image push hello.wasm registry.example/team/hello:v1
  wazelet image push --format files --entrypoint /app.wasm ./dist registry.example/team/app:v1`,
	}
	o := push.Options{}
	formats := []string{string(imageservice.FormatWasm), string(imageservice.FormatFiles), string(imageservice.FormatLayer), string(imageservice.FormatLegacy), string(imageservice.FormatArtifact)}
	format := c.Flags().String("format", "", "form of the image: "+strings.Join(formats, ", ")+" (default files for a folder, else wasm)")
	c.Flags().StringArrayVar(&o.Entrypoint, "entrypoint", nil, "a word of the program's command line; may be repeated")
	c.Flags().StringArrayVar(&o.Cmd, "cmd", nil, "a word of its default arguments; may be repeated")
	c.Flags().StringArrayVarP(&o.Env, "env", "e", nil, "a variable `KEY=VALUE` of the image")
	c.Flags().StringVar(&o.User, "user", "", "whom the program runs as")
	c.Flags().StringVarP(&o.WorkingDir, "workdir", "w", "", "the program's working directory")
	c.RunE = func(c *cobra.Command, args []string) (err error) {
		inForce, err := load()
		if err != nil {
			return err
		}
		o.Path, o.Format = args[0], imageservice.Format(*format)
		if o.Component, err = images.Component(o.Path); err != nil {
			return clean(err)
		}
		image, err := push.Build(o)
		if err != nil {
			return clean(err)
		}
		defer func() { err = errors.Join(err, image.Close()) }()
		auth, err := images.Credentials(c.Context(), args[1])
		if err != nil {
			return err
		}
		name, err := image.Push(c.Context(), push.Target{
			Ref: args[1], Auth: auth,
			Options: registry.Options{HostsDir: inForce.Image.HostsDir, ProgressTimeout: time.Duration(inForce.Image.ProgressTimeout)},
			Progress: func(what string, size int64) {
				fmt.Fprintf(c.ErrOrStderr(), "%s, %s\n", what, images.Bytes(uint64(size)))
			},
		})
		if err != nil {
			return clean(err)
		}
		_, err = fmt.Fprintln(c.OutOrStdout(), name)
		return err
	}
	return c
}
