// SPDX-License-Identifier: Apache-2.0

package imageservice

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/containerd/log"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wazelet/wazelet/imageservice/content"
	"github.com/wazelet/wazelet/imageservice/snapshot"
)

// Finding is something in a store that is not as it should be.
type Finding struct {
	Object   string `json:"object"` // "image sha256:… (its tags)", "lease …", "blob …", "compiled module …"
	Cause    string `json:"cause"`
	Remains  bool   `json:"remains"`  // only takes room: nothing uses it
	Repaired bool   `json:"repaired"` // removed, or made anew
}

// Report is what a check has found.
type Report struct {
	Images   int                    `json:"images"`  // how many were compared with their digests
	Modules  int                    `json:"modules"` // likewise of compiled modules
	Findings []Finding              `json:"findings"`
	Wasm     map[digest.Digest]bool `json:"-"` // modules that images have, as layers or as files
}

// Damaged tells whether anything is left that is damaged.
func (r Report) Damaged() bool {
	for _, f := range r.Findings {
		if !f.Repaired && !f.Remains {
			return true
		}
	}
	return false
}

// check is a check under way. Blobs and layers that images share are read once.
type check struct {
	*Service
	repair bool
	report *Report
	seen   map[string]error
}

// Check reads everything that images are made of and compares it with its digests, and unpacked layers with their
// archives. It looks for roots of containers that lack directories, and for names, leases and blobs that belong to
// nothing. With repair, a damaged image is removed, so that it is pulled again when somebody wants it, and so is what
// belongs to nothing. Pulls and removals may go on meanwhile.
func (s *Service) Check(ctx context.Context, repair bool) (Report, error) {
	report := Report{Findings: append([]Finding{}, s.takeDropped()...), Wasm: map[digest.Digest]bool{}}
	c := &check{Service: s, repair: repair, report: &report, seen: map[string]error{}}
	// What belongs to nothing goes first: removing a damaged image collects it too, and says nothing of it.
	for _, step := range []func(context.Context) error{c.names, c.leases, c.orphans, c.images, c.roots} {
		if err := step(ctx); err != nil {
			return report, err
		}
	}
	return report, s.measure(ctx)
}

func (c *check) found(f Finding) { c.report.Findings = append(c.report.Findings, f) }

// damaged is an image that a check has found fault with.
type damaged struct {
	image Image
	cause error
}

// images checks every image.
func (c *check) images(ctx context.Context) error {
	var list []damaged
	for _, image := range c.index.list() {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		cause := c.image(ctx, image)
		if _, err := c.index.find(image.ID); errors.Is(err, errAbsent) {
			continue // removed in the meantime
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		c.report.Images++
		if cause != nil {
			list = append(list, damaged{image, cause})
		}
	}
	if c.repair && len(list) > 0 {
		if err := c.removeDamaged(ctx, list); err != nil {
			return err
		}
	}
	for _, d := range list {
		f := Finding{Object: describeObject(d.image), Cause: d.cause.Error(), Repaired: c.repair}
		if err := c.stillThere(ctx, d); err != nil {
			f.Cause, f.Repaired = f.Cause+"; "+err.Error(), false
		}
		c.found(f)
	}
	return nil
}

func describeObject(image Image) string {
	object := "image " + image.ID
	if names := image.names(); len(names) > 0 {
		object += " (" + strings.Join(names, ", ") + ")"
	}
	return object
}

// removeDamaged takes the images' names away and collects what they were made of.
func (c *check) removeDamaged(ctx context.Context, list []damaged) error {
	for _, d := range list {
		log.G(ctx).WithField("image_id", d.image.ID).WithError(d.cause).Warn("damaged image removed")
		if err := c.forget(ctx, d.image.ID); err != nil {
			return about(d.image.ID, err)
		}
	}
	return c.collect(ctx)
}

// stillThere says why damaged layers have not gone with their image.
func (c *check) stillThere(ctx context.Context, d damaged) error {
	var changed *snapshot.ChangedError
	if !c.repair || !errors.As(d.cause, &changed) {
		return nil
	}
	unpacked, err := c.trees.Unpacked(content.Context(ctx), changed.Chain)
	if err == nil && unpacked {
		err = errors.New("containers use these layers, which stay until the last of them is removed")
	}
	return err
}

// image compares one image with its digests.
func (c *check) image(ctx context.Context, image Image) error {
	names, err := c.content.Names(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		if name.Name != image.ID {
			continue
		}
		stored, err := c.readStored(ctx, name)
		if err != nil {
			return err
		}
		return c.stored(ctx, stored)
	}
	return errAbsent
}

func (c *check) stored(ctx context.Context, stored stored) error {
	for _, desc := range append([]ocispec.Descriptor{stored.manifest, stored.config}, stored.blobs...) {
		if err := c.once(desc.Digest.String(), func() error { return c.blob(ctx, desc) }); err != nil {
			return err
		}
	}
	if stored.image.Module != nil {
		c.report.Wasm[stored.image.Module.Digest] = true
	}
	for i, layer := range stored.layers {
		err := c.once(layer.Chain.String(), func() error {
			open := func() (io.ReadCloser, error) { return c.content.Reader(ctx, stored.blobs[i]) }
			return c.trees.Verify(content.Context(ctx), layer, open, func(d digest.Digest) { c.report.Wasm[d] = true })
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// once remembers what came of looking at something.
func (c *check) once(what string, look func() error) error {
	err, known := c.seen[what]
	if !known {
		err = look()
		c.seen[what] = err
	}
	return err
}

// blob reads a blob and compares it with its digest.
func (c *check) blob(ctx context.Context, desc ocispec.Descriptor) (err error) {
	r, err := c.content.Reader(ctx, desc)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	verifier := desc.Digest.Verifier()
	n, err := io.Copy(verifier, &stoppable{ctx, r})
	switch {
	case err != nil:
		return fmt.Errorf("blob %s: %w", desc.Digest, err)
	case n != desc.Size:
		return &content.MismatchError{Want: desc, Size: n}
	case !verifier.Verified():
		return fmt.Errorf("blob %s: %w", desc.Digest, errChanged)
	}
	return nil
}

var errChanged = errors.New("its bytes on disk have another digest")

// stoppable is a reader that ends with its context.
type stoppable struct {
	ctx context.Context
	io.Reader
}

func (s *stoppable) Read(p []byte) (int, error) {
	if s.ctx.Err() != nil {
		return 0, context.Cause(s.ctx)
	}
	return s.Reader.Read(p)
}
