// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wazelet/wazelet/integration/lab/faulty"
)

// Host parts of images in registries that speak TLS with a certificate of the cluster's authority, want a client
// certificate, and have what the open registry has: an image is pushed to Registry and pulled by any of these names.
const (
	// BasicRegistry wants RegistryUser and RegistryPassword.
	BasicRegistry = "basic.example"
	// TokenRegistry wants a token, which RegistryUser gets for RegistryPassword.
	TokenRegistry = "token.example"
	// MirroredRegistry cannot be reached itself; its mirror can, by anybody.
	MirroredRegistry = "mirrored.example"
)

// Where they listen, inside the laboratory.
const (
	basicRegistryAddress = "127.0.0.1:5002"
	tokenRegistryAddress = "127.0.0.1:5003"
	tokenServerAddress   = "127.0.0.1:5004"
	mirrorAddress        = "127.0.0.1:5005"
	nobodyAddress        = "127.0.0.1:9"
)

// secureRegistries are the daemons, by name.
func (c *Cluster) secureRegistries() map[string]object {
	return map[string]object{
		"registry-basic": c.secureConfig(basicRegistryAddress, object{
			"htpasswd": object{"realm": "wazelet-lab", "path": c.path("htpasswd")},
		}),
		"registry-token": c.secureConfig(tokenRegistryAddress, object{"token": object{
			"realm": "https://" + tokenServerAddress + "/token", "service": tokenService, "issuer": tokenIssuer,
			"rootcertbundle": c.path("pki", "ca.crt"),
		}}),
		"registry-mirror": c.secureConfig(mirrorAddress, nil),
	}
}

// secureConfig is the configuration of a registry in front of the open one's storage.
func (c *Cluster) secureConfig(address string, auth object) object {
	config := c.registryConfig("registry", address, auth)
	config["http"] = object{
		"addr": address, "secret": c.tokens.admin,
		"tls": object{
			"certificate": c.path("pki", "registry.crt"), "key": c.path("pki", "registry.key"),
			"clientcas": []string{c.path("pki", "ca.crt")},
		},
	}
	return config
}

// StartSecureRegistries starts the registries that speak TLS, and the server of tokens, until Down.
func (c *Cluster) StartSecureRegistries(ctx context.Context) error {
	for name, config := range c.secureRegistries() {
		file := c.path(name + ".yaml")
		if err := os.WriteFile(file, []byte(text(config)), 0o600); err != nil {
			return err
		}
		if err := c.startDaemon(name, c.part("registry"), "serve", file); err != nil {
			return err
		}
	}
	if err := c.startTokenServer(ctx); err != nil {
		return err
	}
	for name, toml := range map[string]string{
		BasicRegistry:    c.secureHost("server", basicRegistryAddress),
		TokenRegistry:    c.secureHost("server", tokenRegistryAddress),
		MirroredRegistry: "server = \"https://" + nobodyAddress + "\"\n\n[host.\"https://" + mirrorAddress + "\"]\n" + c.secureHost("", "") + "capabilities = [\"pull\", \"resolve\"]\n",
	} {
		if err := c.WriteHost(name, toml); err != nil {
			return err
		}
	}
	for name, address := range map[string]string{"registry-basic": basicRegistryAddress, "registry-token": tokenRegistryAddress, "registry-mirror": mirrorAddress} {
		err := c.until(ctx, name+" to listen", func(ctx context.Context) error {
			conn, err := c.Dial(ctx, "tcp", address)
			if err != nil {
				return err
			}
			return conn.Close()
		}, name)
		if err != nil {
			return err
		}
	}
	return nil
}

// secureHost is what a hosts.toml says of a host that speaks TLS here.
func (c *Cluster) secureHost(key, address string) string {
	toml := fmt.Sprintf("ca = %q\nclient = [[%q, %q]]\n", c.path("pki", "ca.crt"), c.path("pki", "node.crt"), c.path("pki", "node.key"))
	if key != "" {
		toml = fmt.Sprintf("%s = \"https://%s\"\n", key, address) + toml
	}
	return toml
}

// WriteHost writes the hosts.toml of a registry of that name. Pulls that begin from then on go by it.
func (c *Cluster) WriteHost(name, toml string) error {
	dir := c.path("hosts.d", name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "hosts.toml"), []byte(toml), 0o600)
}

// Way is how a registry behind a faulty proxy is spoken to.
type Way int

// Ways to the open registry's images.
const (
	PlainHTTP Way = iota
	TLS
)

// ServeFaulty makes a registry of that name, such as faulty.example, which is reached through a proxy with the fault, and
// serves what the open registry has. The caller closes the proxy.
func (c *Cluster) ServeFaulty(ctx context.Context, name string, way Way, fault faulty.Fault) (*faulty.Proxy, error) {
	listener, err := c.Listen(ctx, "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	behind, toml := registryAddress, fmt.Sprintf("server = \"http://%s\"\n", listener.Addr())
	if way == TLS {
		behind, toml = mirrorAddress, c.secureHost("server", listener.Addr().String())
	}
	if err := c.WriteHost(name, toml); err != nil {
		listener.Close()
		return nil, err
	}
	return faulty.Serve(listener, func(ctx context.Context) (net.Conn, error) { return c.Dial(ctx, "tcp", behind) }, fault), nil
}

// Open is the URL of the open registry, inside the laboratory.
func (c *Cluster) Open() string { return "http://" + registryAddress }

// stopSecureRegistries ends them if they run.
func (c *Cluster) stopSecureRegistries() []error {
	var errs []error
	if c.tokenServer != nil {
		errs = append(errs, c.tokenServer.Close())
		c.tokenServer = nil
	}
	for name := range c.secureRegistries() {
		errs = append(errs, c.stopDaemon(name, unix.SIGKILL, 10*time.Second))
	}
	return errs
}

// startTokenServer serves tokens until Down.
func (c *Cluster) startTokenServer(ctx context.Context) error {
	signer, err := loadSigner(c.path("pki", "token.crt"), c.path("pki", "token.key"))
	if err != nil {
		return err
	}
	listener, err := c.Listen(ctx, tokenServerAddress)
	if err != nil {
		return err
	}
	c.tokenServer = &http.Server{Handler: signer, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		// It ends when it is closed, which is no error.
		_ = c.tokenServer.ServeTLS(listener, c.path("pki", "registry.crt"), c.path("pki", "registry.key"))
	}()
	return nil
}
