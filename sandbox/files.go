// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maxNodeFile bounds what is taken over from the node's /etc.
const maxNodeFile = 1 << 20

// writeFiles makes the files that all containers of the pod see as
// /etc/hosts, /etc/hostname and /etc/resolv.conf. They are readable to every
// user a guest may run as.
func (c *Controller) writeFiles(sb Sandbox) error {
	hosts, err := c.hosts(sb)
	if err != nil {
		return err
	}
	resolv, err := c.resolvConf(sb.DNS)
	if err != nil {
		return err
	}
	var errs []error
	for name, content := range map[string]string{
		"hosts": hosts, "hostname": sb.Hostname + "\n", "resolv.conf": resolv,
	} {
		path := filepath.Join(c.Dir(sb.ID), name)
		errs = append(errs, os.WriteFile(path, []byte(content), 0o644), os.Chmod(path, 0o644)) // whatever the umask
	}
	return errors.Join(errs...)
}

// hosts names the pod to itself. The kubelet mounts a file of its own over it;
// this one is for pods that others make.
func (c *Controller) hosts(sb Sandbox) (string, error) {
	if sb.Network == NetworkNode {
		if node, err := readNodeFile(filepath.Join(c.etc, "hosts")); err != nil || node != "" {
			return node, err
		}
	}
	var b strings.Builder
	b.WriteString("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n")
	for _, ip := range sb.IPs {
		fmt.Fprintf(&b, "%s\t%s\n", ip, sb.Hostname)
	}
	return b.String(), nil
}

// resolvConf is what the pod asks for, or else the node's.
func (c *Controller) resolvConf(dns DNS) (string, error) {
	if dns.Empty() {
		return readNodeFile(filepath.Join(c.etc, "resolv.conf"))
	}
	var b strings.Builder
	if len(dns.Searches) > 0 {
		fmt.Fprintf(&b, "search %s\n", strings.Join(dns.Searches, " "))
	}
	for _, server := range dns.Servers {
		fmt.Fprintf(&b, "nameserver %s\n", server)
	}
	if len(dns.Options) > 0 {
		fmt.Fprintf(&b, "options %s\n", strings.Join(dns.Options, " "))
	}
	return b.String(), nil
}

// readNodeFile reads a file that the node may well not have.
func readNodeFile(path string) (string, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	} else if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxNodeFile+1))
	if err == nil && len(data) > maxNodeFile {
		err = fmt.Errorf("%s: more than %d bytes", path, maxNodeFile)
	}
	return string(data), err
}
