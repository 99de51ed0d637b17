// SPDX-License-Identifier: Apache-2.0

package imageservice

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/sys/user"

	"github.com/wazelet/wazelet/imageservice/snapshot"
)

// maxAccounts bounds an image's /etc/passwd and /etc/group.
const maxAccounts = 4 << 20

// LookupUser finds who a process runs as. The spec is "user[:group]", either by name or number, as in an image's USER or
// a pod's runAsUser and runAsGroup; "" is root. Names, a user's own group, and the further groups the user is a member
// of come from the image's /etc/passwd and /etc/group; a number needs no entry there. The error is
// errdefs.ErrInvalidArgument for a name that is not there.
func (s *Service) LookupUser(ctx context.Context, image Image, spec string) (uid, gid uint32, groups []uint32, err error) {
	passwd, group, err := s.accounts(ctx, image)
	if err != nil {
		return 0, 0, nil, err
	}
	found, err := lookup(spec, passwd, group)
	if err != nil {
		return 0, 0, nil, err
	}
	// The look-up names further groups only if no group is asked for; the process has them all the same.
	name, _, _ := strings.Cut(spec, ":")
	member, err := lookup(name, passwd, group)
	if err != nil {
		return 0, 0, nil, err
	}
	for _, g := range member.Sgids {
		groups = append(groups, uint32(g))
	}
	return uint32(found.Uid), uint32(found.Gid), groups, nil
}

func lookup(spec string, passwd, group []byte) (*user.ExecUser, error) {
	found, err := user.GetExecUser(spec, nil, bytes.NewReader(passwd), bytes.NewReader(group))
	if err != nil {
		return nil, &Error{
			Text:  fmt.Sprintf("user %s: not in the image's /etc/passwd and /etc/group, and not a number", quote(spec)),
			Class: errdefs.ErrInvalidArgument, Cause: err,
		}
	}
	return found, nil
}

// accounts reads the image's users and groups; files it lacks are empty.
func (s *Service) accounts(ctx context.Context, image Image) (passwd, group []byte, err error) {
	if image.Kind != KindFiles {
		return nil, nil, nil
	}
	tree, err := s.tree(ctx, image)
	if err != nil {
		return nil, nil, err
	}
	if passwd, err = readAccounts(tree, "/etc/passwd"); err != nil {
		return nil, nil, err
	}
	group, err = readAccounts(tree, "/etc/group")
	return passwd, group, err
}

func readAccounts(tree snapshot.Tree, name string) ([]byte, error) {
	f, _, err := tree.Open(name)
	if absent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	p, err := io.ReadAll(io.LimitReader(f, maxAccounts+1))
	if err == nil && len(p) > maxAccounts {
		err = malformed("%s has more than %s bytes", name, strconv.Itoa(maxAccounts))
	}
	return p, err
}
