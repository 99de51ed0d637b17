// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/wazelet/wazelet/cmd/wazelet/images"
	"github.com/wazelet/wazelet/cri/imageclient"
	"github.com/wazelet/wazelet/imageservice"
	"github.com/wazelet/wazelet/runtime"
	"github.com/wazelet/wazelet/runtime/engine"
)

func (i *imageCommand) newList() *cobra.Command {
	c := &cobra.Command{Use: "ls", Aliases: []string{"list"}, Short: "List the images", Args: cobra.NoArgs}
	form := outputFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		return i.with(c, func(_ images.Where, store images.Store) error {
			list, err := store.List(c.Context())
			if err != nil {
				return err
			}
			slices.SortFunc(list, func(a, b imageclient.Image) int { return strings.Compare(nameOf(a), nameOf(b)) })
			if *form == "json" {
				return writeJSON(c.OutOrStdout(), list)
			}
			w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "IMAGE\tID\tSIZE")
			for _, image := range list {
				names := image.Tags
				if len(names) == 0 {
					names = []string{nameOf(image)}
				}
				for _, name := range names {
					fmt.Fprintf(w, "%s\t%s\t%s\n", name, shortID(image.ID), images.Bytes(image.Size))
				}
			}
			return w.Flush()
		})
	}
	return c
}

func (i *imageCommand) newInspect() *cobra.Command {
	c := &cobra.Command{
		Use: "inspect IMAGE", Short: "Say what an image is and what its module wants and offers", Args: cobra.ExactArgs(1),
		Long: "Say what an image is, which module it runs, what that imports, exports and may use,\nand why it would not run. The module is read by the confined compiler.",
	}
	form := outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		return i.with(c, func(_ images.Where, store images.Store) error {
			image, err := store.Get(c.Context(), args[0])
			if err != nil {
				return err
			}
			if *form == "json" {
				return writeJSON(c.OutOrStdout(), image)
			}
			return showImage(c.OutOrStdout(), image)
		})
	}
	return c
}

// showImage writes an image for a person.
func showImage(out io.Writer, image imageclient.Image) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(name string, values ...string) {
		for _, value := range values {
			if value != "" {
				fmt.Fprintf(w, "%s\t%s\n", name, printable(value))
			}
			name = ""
		}
	}
	line("Image", append(slices.Clone(image.Tags), image.Digests...)...)
	line("ID", image.ID)
	line("Size", images.Bytes(image.Size))
	line("Format", image.Format)
	line("Platform", image.Platform)
	line("Entrypoint", words(image.Entrypoint))
	line("Cmd", words(image.Cmd))
	line("Env", image.Env...)
	line("Directory", image.WorkingDir)
	line("User", image.User)
	if p := image.Program; p == nil {
		line("Program", "none is named")
	} else {
		showProgram(line, p)
	}
	return w.Flush()
}

func showProgram(line func(string, ...string), p *runtime.Program) {
	path := p.Path
	if p.Export != "" {
		path += ", function " + p.Export
	}
	line("Program", path)
	line("Module", p.Digest)
	if m := p.Module; m != nil {
		line("Kind", string(m.Kind))
		imports := make([]string, len(m.Imports))
		for i, im := range m.Imports {
			imports[i] = im.String()
		}
		line("World", m.World)
		line("Imports", imports...)
		line("Exports", m.Exports...)
		line("Features", m.Features...)
	}
	if m := p.Module; m != nil && m.Kind != engine.KindComponent {
		memory := fmt.Sprintf("%d pages of 64 KiB", m.Memory.Min)
		if m.Memory.Max > 0 {
			memory += fmt.Sprintf(", at most %d", m.Memory.Max)
		}
		line("Memory", memory)
	}
	if p.Refusal == "" {
		line("Runs", "yes")
	} else {
		line("Runs", "no: "+p.Refusal)
	}
}

// showReport writes what a check has found for a person.
func showReport(out io.Writer, report imageservice.Report) error {
	for _, f := range report.Findings {
		state := "damaged"
		switch {
		case f.Repaired:
			state = "repaired"
		case f.Remains:
			state = "left over"
		}
		fmt.Fprintf(out, "%s: %s: %s\n", state, printable(f.Object), printable(f.Cause))
	}
	summary := fmt.Sprintf("%d images and %d compiled modules", report.Images, report.Modules)
	if len(report.Findings) == 0 {
		_, err := fmt.Fprintf(out, "%s are as they were stored\n", summary)
		return err
	}
	_, err := fmt.Fprintf(out, "%s looked at, %d findings\n", summary, len(report.Findings))
	return err
}

// printable takes what could steer a terminal out of the words of strangers.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

// words writes a command line so that its words can be told apart.
func words(list []string) string {
	quoted := make([]string, len(list))
	for i, word := range list {
		quoted[i] = fmt.Sprintf("%q", word)
	}
	return strings.Join(quoted, " ")
}

func nameOf(image imageclient.Image) string {
	for _, names := range [][]string{image.Tags, image.Digests} {
		if len(names) > 0 {
			return names[0]
		}
	}
	return "<none>"
}

// shortID is enough of an id to name the image.
func shortID(id string) string {
	_, hex, _ := strings.Cut(id, ":")
	return hex[:min(len(hex), 12)]
}

func writeJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}
