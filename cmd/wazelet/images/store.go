// SPDX-License-Identifier: Apache-2.0

package images

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/containerd/errdefs"

	"github.com/wazelet/wazelet/cmd/wazelet/daemon"
	"github.com/wazelet/wazelet/config"
	"github.com/wazelet/wazelet/cri/imageclient"
	"github.com/wazelet/wazelet/imageservice"
	"github.com/wazelet/wazelet/runtime"
)

// Store is where images are: a daemon's, or one that nobody else uses.
type Store interface {
	List(ctx context.Context) ([]imageclient.Image, error)
	Get(ctx context.Context, ref string) (imageclient.Image, error)
	Pull(ctx context.Context, ref string, auth *imageservice.Auth) (id string, err error)
	Remove(ctx context.Context, ref string) error
	Check(ctx context.Context, repair bool) (imageservice.Report, error)
	Close() error
}

// Where says which store is meant.
type Where struct {
	Config     config.Config
	WorkerPath string
	// User is the directory of the user's own store, that of `wazelet run`; ""
	// is the node's.
	User     string
	Rootless bool // in a user namespace of one id
}

// Open opens the node's store through its daemon, if one has it, or else the
// store itself.
func Open(ctx context.Context, w Where) (Store, error) {
	root, take := w.Config.Root, daemon.Acquire
	if w.User != "" {
		root, take = w.User, daemon.Await
	}
	lock, err := take(root)
	if w.User == "" && errdefs.IsFailedPrecondition(err) {
		return imageclient.New(w.Config.GRPC.Address)
	}
	if err != nil {
		return nil, err
	}
	store, err := openLocal(ctx, w, root, lock)
	if err != nil {
		return nil, errors.Join(err, lock.Release())
	}
	return store, nil
}

// Local is a store that this process has to itself.
type Local struct {
	lock    *daemon.Lock
	images  *imageservice.Service
	modules *runtime.Modules
}

// openLocal opens the store under root, which is locked.
func openLocal(ctx context.Context, w Where, root string, lock *daemon.Lock) (l *Local, err error) {
	o := Options(root, w.Config.Image)
	if w.User != "" {
		o.Snapshotter = "" // what works without root
	}
	l = &Local{lock: lock}
	l.modules, err = runtime.NewModules(runtime.ModulesOptions{
		Dir: filepath.Join(root, "modules"), WorkerPath: w.WorkerPath, Rootless: w.Rootless,
		Memory: int64(w.Config.Compiler.Memory), Timeout: time.Duration(w.Config.Compiler.Timeout), Parallel: int64(w.Config.Compiler.Parallelism),
		Size: int64(w.Config.Compiler.Cache),
	})
	if err != nil {
		return nil, err
	}
	o.Prepare, o.Removed = Prepare(l.modules), Forget(l.modules)
	l.images, err = imageservice.New(ctx, o)
	return l, err
}

// Close gives the store to the next.
func (l *Local) Close() error {
	l.modules.Close()
	return errors.Join(l.images.Close(), l.lock.Release())
}

// List returns the images.
func (l *Local) List(ctx context.Context) ([]imageclient.Image, error) {
	images, err := l.images.List(ctx)
	list := make([]imageclient.Image, len(images))
	for i, image := range images {
		list[i] = item(image)
	}
	return list, err
}

// Get returns all there is to say about an image.
func (l *Local) Get(ctx context.Context, ref string) (imageclient.Image, error) {
	image, err := l.images.Get(ctx, ref)
	if err != nil {
		return imageclient.Image{}, err
	}
	shown := item(image)
	shown.Program, err = l.modules.Describe(ctx, l.images, image)
	return shown, err
}

// Pull fetches an image and compiles its module.
func (l *Local) Pull(ctx context.Context, ref string, auth *imageservice.Auth) (string, error) {
	image, err := l.images.Pull(ctx, ref, auth)
	return image.ID, err
}

// Remove removes an image.
func (l *Local) Remove(ctx context.Context, ref string) error { return l.images.Remove(ctx, ref) }

// Check reads everything and says what is not as it should be.
func (l *Local) Check(ctx context.Context, repair bool) (imageservice.Report, error) {
	return Check(ctx, l.images, l.modules, repair)
}

func item(i imageservice.Image) imageclient.Image {
	return imageclient.Image{
		ID: i.ID, Tags: i.Tags, Digests: i.Digests, Size: uint64(i.Size), Pinned: i.Pinned,
		Info: imageclient.Info{
			Format: string(i.Format), Kind: string(i.Kind), Platform: i.Platform, Manifest: i.Manifest.String(),
			Entrypoint: i.Entrypoint, Cmd: i.Cmd, Env: i.Env, WorkingDir: i.WorkingDir, User: i.User,
			Labels: i.Labels, Module: i.Module,
		},
	}
}
