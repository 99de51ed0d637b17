// SPDX-License-Identifier: Apache-2.0

package images

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/distribution/reference"

	"github.com/wazelet/wazelet/imageservice"
)

// dockerHub is the name under which Docker keeps the credentials of docker.io.
const dockerHub = "https://index.docker.io/v1/"

// dockerConfig is what is read of a file that `docker login` or `podman login`
// writes.
type dockerConfig struct {
	Auths map[string]struct {
		Auth          string `json:"auth"`
		Username      string `json:"username"`
		Password      string `json:"password"`
		IdentityToken string `json:"identitytoken"`
		RegistryToken string `json:"registrytoken"`
	} `json:"auths"`
	CredsStore  string            `json:"credsStore"`
	CredHelpers map[string]string `json:"credHelpers"`
}

// Credentials returns what the user has logged in with to the registry of ref,
// nil if that is nothing. The first file that knows the registry counts.
func Credentials(ctx context.Context, ref string) (*imageservice.Auth, error) {
	named, err := reference.ParseDockerRef(ref)
	if err != nil {
		return nil, nil // who pulls will say what is wrong with it
	}
	for _, path := range credentialFiles() {
		raw, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("credentials: %w", err)
		}
		var c dockerConfig
		if err := json.Unmarshal(raw, &c); err != nil {
			return nil, fmt.Errorf("credentials %s: %w", path, err)
		}
		if auth, err := c.find(ctx, named); auth != nil || err != nil {
			return auth, err
		}
	}
	return nil, nil
}

// credentialFiles are those of containers' tools and of Docker.
func credentialFiles() []string {
	var files []string
	if file := os.Getenv("REGISTRY_AUTH_FILE"); file != "" {
		files = append(files, file)
	}
	if dir := os.Getenv("DOCKER_CONFIG"); dir != "" {
		files = append(files, filepath.Join(dir, "config.json"))
	} else if home, err := os.UserHomeDir(); err == nil {
		files = append(files, filepath.Join(home, ".docker", "config.json"))
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		files = append(files, filepath.Join(dir, "containers", "auth.json"))
	}
	return files
}

// find looks for the narrowest entry: podman's may name a namespace.
func (c dockerConfig) find(ctx context.Context, named reference.Named) (*imageservice.Auth, error) {
	domain := reference.Domain(named)
	if domain == "docker.io" {
		domain = dockerHub
	}
	helper := c.CredHelpers[domain]
	if helper == "" {
		helper = c.CredsStore
	}
	if helper != "" {
		return askHelper(ctx, helper, domain)
	}
	for name := named.Name(); name != "."; name = filepath.Dir(name) {
		for _, key := range []string{name, "https://" + name, "http://" + name} {
			if a, ok := c.Auths[key]; ok {
				return &imageservice.Auth{Auth: a.Auth, Username: a.Username, Password: a.Password, IdentityToken: a.IdentityToken, RegistryToken: a.RegistryToken}, nil
			}
		}
	}
	if a, ok := c.Auths[domain]; ok {
		return &imageservice.Auth{Auth: a.Auth, Username: a.Username, Password: a.Password, IdentityToken: a.IdentityToken, RegistryToken: a.RegistryToken}, nil
	}
	return nil, nil
}

// noCredentials is how a helper says that it has none.
const noCredentials = "credentials not found"

// askHelper runs a credential helper
// (https://github.com/docker/docker-credential-helpers).
func askHelper(ctx context.Context, helper, server string) (*imageservice.Auth, error) {
	if strings.ContainsRune(helper, filepath.Separator) {
		return nil, fmt.Errorf("credential helper %q: not the name of a program", helper)
	}
	cmd := exec.CommandContext(ctx, "docker-credential-"+helper, "get")
	cmd.Stdin = strings.NewReader(server)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		if strings.Contains(string(out), noCredentials) {
			return nil, nil
		}
		return nil, fmt.Errorf("credential helper %s: %w: %s", helper, err, bytes.TrimSpace(append(out, said.Bytes()...)))
	}
	var answer struct{ Username, Secret string }
	if err := json.Unmarshal(out, &answer); err != nil {
		return nil, fmt.Errorf("credential helper %s: its answer: %w", helper, err)
	}
	if answer.Username == "<token>" {
		return &imageservice.Auth{IdentityToken: answer.Secret}, nil
	}
	return &imageservice.Auth{Username: answer.Username, Password: answer.Secret}, nil
}
