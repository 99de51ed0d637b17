// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/pelletier/go-toml/v2"
)

// MaxSize bounds the file, in bytes. A configuration is a few kilobytes; what
// is larger is some other file.
const MaxSize = 1 << 20

// Load reads a file as Read does; its findings name the file. The error is
// fs.ErrNotExist when there is no such file.
func Load(path string) (Config, error) {
	file, err := os.Open(path)
	if err != nil {
		return Config{}, fmt.Errorf("configuration: %w", err)
	}
	defer file.Close()
	c, err := Read(file)
	findings, isFindings := errors.AsType[Findings](err)
	for _, finding := range findings {
		finding.File = path
	}
	if err != nil && !isFindings {
		err = fmt.Errorf("configuration %s: %w", path, err)
	}
	return c, err
}

// Read decodes the content of a file over the defaults and validates the
// result. It is strict: a key that does not exist, or a value of the wrong
// type, is a finding. Whatever is wrong with the content comes as Findings.
func Read(r io.Reader) (Config, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxSize+1))
	if err != nil {
		return Config{}, err
	}
	if len(data) > MaxSize {
		return Config{}, fmt.Errorf("larger than %d bytes, which no configuration is", MaxSize)
	}
	version, err := readVersion(data)
	if err != nil {
		return Config{}, err
	}
	if version < Version {
		if data, err = migrate(data, migrations[version-1:]); err != nil {
			return Config{}, fmt.Errorf("migrate from version %d: %w", version, err)
		}
	}
	return decode(data)
}

// decode reads a file of the present version. Keys that do not exist leave a
// configuration whose values can still be judged, so that one run shows all.
func decode(data []byte) (Config, error) {
	c := Default()
	defaultHandlers := c.Handlers
	c.Handlers = nil
	err := toml.NewDecoder(bytes.NewReader(data)).DisallowUnknownFields().Decode(&c)
	if c.Handlers == nil {
		c.Handlers = defaultHandlers
	}
	if err == nil {
		return c, c.Validate()
	}
	findings := decodeFindings(err)
	if _, complete := errors.AsType[*toml.StrictMissingError](err); complete {
		more, _ := errors.AsType[Findings](c.Validate())
		findings = append(findings, more...)
	}
	return c, findings
}

// readVersion reads nothing but the version: what the other keys mean depends
// on it.
func readVersion(data []byte) (int, error) {
	var head struct {
		Version *int `toml:"version"`
	}
	if err := toml.Unmarshal(data, &head); err != nil {
		return 0, decodeFindings(err)
	}
	problem := ""
	switch {
	case head.Version == nil:
		problem = fmt.Sprintf("is missing: a configuration starts with `version = %d`", Version)
	case *head.Version > Version:
		problem = fmt.Sprintf("%d is of a newer wazelet; this one reads up to %d", *head.Version, Version)
	case *head.Version < 1:
		problem = fmt.Sprintf("%d never existed; the present one is %d", *head.Version, Version)
	default:
		return *head.Version, nil
	}
	return 0, Findings{finding("version", problem)}
}

// migration rewrites a decoded file of one version as the next version.
type migration func(file map[string]any) error

// migrations holds, at index v-1, the step from version v to v+1. A new version
// of the format appends one and raises Version.
var migrations = []migration{}

// migrate applies steps in order and gives the file in its new form. Each step
// leaves keys it does not know where they are, so that strict decoding reports
// them afterwards.
func migrate(data []byte, steps []migration) ([]byte, error) {
	file := map[string]any{}
	if err := toml.Unmarshal(data, &file); err != nil {
		return nil, err
	}
	for step := range slices.Values(steps) {
		if err := step(file); err != nil {
			return nil, err
		}
		version, _ := file["version"].(int64)
		file["version"] = version + 1
	}
	return toml.Marshal(file)
}
