// SPDX-License-Identifier: Apache-2.0

package imageservice

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/imageservice/content"
	"github.com/wazelet/wazelet/imageservice/snapshot"
)

// defaultPath is the PATH of an image that sets none.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// OpenModule opens the module of an image of kind KindModule, read-only.
func (s *Service) OpenModule(ctx context.Context, image Image) (*os.File, error) {
	if image.Module == nil {
		return nil, fmt.Errorf("image %s: it has no module but files: %w", image.ID, errdefs.ErrInvalidArgument)
	}
	return s.content.OpenFile(ctx, image.Module.Digest)
}

// OpenEntry opens the file that the first word of an image's Entrypoint and Cmd names, and returns its path in the
// image. A word with a slash is a path, relative to the working directory; one without is looked for in PATH and then in
// the working directory, as images FROM scratch have no PATH. Where there is no such file, the word is tried without
// its export (path#export). Links lead nowhere outside of the image. The error is errdefs.ErrNotFound when the image
// names no program or lacks it.
func (s *Service) OpenEntry(ctx context.Context, image Image) (*os.File, string, error) {
	argv := append(append([]string{}, image.Entrypoint...), image.Cmd...)
	if image.Kind != KindFiles || len(argv) == 0 || argv[0] == "" {
		return nil, "", &Error{Text: "the image names no program (Entrypoint, Cmd)", Class: errdefs.ErrNotFound}
	}
	tree, err := s.tree(ctx, image)
	if err != nil {
		return nil, "", err
	}
	words := []string{argv[0]}
	if program, ok := cutExport(argv[0]); ok {
		words = append(words, program)
	}
	for _, word := range words {
		for _, name := range candidates(word, image) {
			f, resolved, err := tree.Open(name)
			if err == nil {
				return f, resolved, nil
			}
			if !absent(err) {
				return nil, "", fmt.Errorf("program %s: %w", quote(argv[0]), err)
			}
		}
	}
	return nil, "", &Error{Text: fmt.Sprintf("the image has no program %s", quote(argv[0])), Class: errdefs.ErrNotFound}
}

// cutExport takes the program out of "path#export", which also says what function of it runs in place of _start.
func cutExport(word string) (program string, ok bool) {
	i := strings.LastIndexByte(word, '#')
	if i < 1 || i == len(word)-1 {
		return word, false
	}
	return word[:i], true
}

// candidates are the paths a program's name may mean, the first that exists counts.
func candidates(program string, image Image) []string {
	dir := path.Join("/", image.WorkingDir)
	if strings.Contains(program, "/") {
		if path.IsAbs(program) {
			return []string{program}
		}
		return []string{dir + "/" + program}
	}
	search := defaultPath
	for _, env := range image.Env {
		if value, ok := strings.CutPrefix(env, "PATH="); ok {
			search = value
		}
	}
	var names []string
	for _, entry := range strings.Split(search, ":") {
		if path.IsAbs(entry) {
			names = append(names, entry+"/"+program)
		}
	}
	return append(names, dir+"/"+program)
}

// absent tells whether the error of a look-up means that there is no such file, so that the next place is tried.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.EISDIR) || errors.Is(err, unix.EINVAL)
}

// tree returns the image's files, unpacking them if another snapshotter had done so.
func (s *Service) tree(ctx context.Context, image Image) (snapshot.Tree, error) {
	tree, err := s.trees.Tree(content.Context(ctx), image.chain)
	if errdefs.IsNotFound(err) {
		if err := s.unpackAgain(ctx, image); err != nil {
			return snapshot.Tree{}, err
		}
		tree, err = s.trees.Tree(content.Context(ctx), image.chain)
	}
	return tree, err
}
