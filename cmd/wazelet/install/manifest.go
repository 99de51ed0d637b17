// SPDX-License-Identifier: Apache-2.0

package install

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
)

// manifestVersion is the version of the manifest's format.
const manifestVersion = 1

// Manifest is what was installed on a node. It is written before the first file is put
// in place and removed after the last one is gone.
type Manifest struct {
	Version int    `json:"version"`
	Release string `json:"release"` // of Wazelet
	// Endpoint is the socket of the runtime that the kubelet talked to before, as a
	// path of the node's.
	Endpoint string `json:"endpoint"`
	// Unit is the kubelet's, which is started again; KubeletFile the file that tells it of
	// Wazelet's socket. Both are empty where that was left to others.
	Unit        string `json:"kubeletUnit,omitempty"`
	KubeletFile string `json:"kubeletFile,omitempty"`
	// Files are what was put in place, Dirs the directories that were made for them,
	// an upper one before what is in it.
	Files []Installed `json:"files"`
	Dirs  []string    `json:"dirs,omitempty"`
}

// Installed is one file or link of a manifest.
type Installed struct {
	Path   string `json:"path"`
	Digest string `json:"sha256"` // of its content; of a link, of "link:" and its target
	// Replaced is where what somebody else had at the path waits; empty for none.
	Replaced string `json:"replaced,omitempty"`
}

// ManifestPath is where the manifest of an installation is, by its configuration.
func ManifestPath(config string) string { return filepath.Join(filepath.Dir(config), "installed.json") }

// ReadManifest reads a node's manifest by its configuration's path; nil when nothing
// was installed.
func (h Host) ReadManifest(config string) (*Manifest, error) {
	path := ManifestPath(config)
	content, err := h.Read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var m Manifest
	if err := json.Unmarshal(content, &m); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if m.Version != manifestVersion {
		return nil, fmt.Errorf("%s has version %d, this wazelet reads %d: use the wazelet that installed it (%s)", path, m.Version, manifestVersion, m.Release)
	}
	return &m, nil
}

// write puts the manifest in place, on the disk.
func (m *Manifest) write(h Host, config string) error {
	content, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	c := change{host: h, item: Item{Path: ManifestPath(config), Mode: 0o644, Content: append(content, '\n')}}
	_, made, err := c.stage()
	m.addDirs(made)
	if err == nil {
		err = c.commit()
	}
	if err != nil {
		return errors.Join(err, c.restore())
	}
	return c.settle()
}

func (m *Manifest) addDirs(made []string) {
	for _, dir := range made {
		if !slices.Contains(m.Dirs, dir) {
			m.Dirs = append(m.Dirs, dir)
		}
	}
}

// file finds an installed file by its path; nil when it is none of ours.
func (m *Manifest) file(path string) *Installed {
	if m == nil {
		return nil
	}
	for i := range m.Files {
		if m.Files[i].Path == path {
			return &m.Files[i]
		}
	}
	return nil
}

// intact says whether an installed file is still as it was installed.
func (h Host) intact(f Installed) bool {
	place, err := h.place(f.Path)
	if err != nil {
		return false
	}
	sum, err := digest(place)
	return err == nil && sum == f.Digest
}

// Points says which file tells the kubelet of Wazelet; empty when none does, or when
// it is no longer as it was installed.
func (m *Manifest) Points(h Host) string {
	if f := m.file(m.KubeletFile); f != nil && h.intact(*f) {
		return f.Path
	}
	return ""
}
