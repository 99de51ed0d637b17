// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"slices"
	"sync"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/wazelet/wazelet/runtime"
)

// statuses keeps the statuses of containers in protobuf's encoding, as [encodings]
// does the items of lists: a kubelet asks for that of each container every ten seconds.
type statuses struct {
	current func() []*runtime.Container // that there are

	mu   sync.Mutex
	kept map[*runtime.Container]encodedStatus
	most int // kept before those of what there is no longer are dropped
}

type encodedStatus struct {
	imageRef string
	field    []byte
}

// answer gives an answer the status of a container whose image has that reference: as a
// field that it does not know, encoded already.
func (s *statuses) answer(to *runtimeapi.ContainerStatusResponse, c *runtime.Container, imageRef string) error {
	field, err := s.of(c, imageRef)
	if err != nil {
		return err
	}
	to.ProtoReflect().SetUnknown(field)
	return nil
}

func (s *statuses) of(c *runtime.Container, imageRef string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, ok := s.kept[c]; ok && known.imageRef == imageRef {
		return known.field, nil
	}
	field, err := appendItem(nil, containerStatus(*c, imageRef))
	if err != nil {
		return nil, err
	}
	if len(s.kept) >= s.most {
		s.drop()
	}
	s.kept[c] = encodedStatus{imageRef: imageRef, field: slices.Clip(field)}
	return field, nil
}

// drop forgets what there is no longer.
func (s *statuses) drop() {
	kept := map[*runtime.Container]encodedStatus{}
	for _, c := range s.current() {
		if known, ok := s.kept[c]; ok {
			kept[c] = known
		}
	}
	s.kept, s.most = kept, 2*len(kept)+16
}
