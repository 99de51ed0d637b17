// SPDX-License-Identifier: Apache-2.0

package network

import (
	"fmt"
	"path"
	"strconv"
	"strings"
)

// address is the parts of an http URL.
type address struct {
	host, target string
	port         uint16
}

// parseURL reads an http URL; without a scheme it is one.
func parseURL(text string) (address, error) {
	if !isVisible(text) || len(text) > maxTarget {
		return address{}, fmt.Errorf("%.100q: not an address", text)
	}
	rest, ok := strings.CutPrefix(text, "http://")
	if !ok {
		if scheme, _, other := strings.Cut(text, "://"); other {
			return address{}, fmt.Errorf("%s: %s is not supported, only http", text, scheme)
		}
	}
	rest, _, _ = strings.Cut(rest, "#")
	host, target := rest, "/"
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		host, target = rest[:i], rest[i:]
		if target[0] == '?' {
			target = "/" + target
		}
	}
	if i := strings.LastIndexByte(host, '@'); i >= 0 {
		return address{}, fmt.Errorf("%s: names and passwords in an address are not supported", text)
	}
	a := address{host: host, target: target, port: 80}
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		port, err := parsePort(host[i+1:])
		if err != nil {
			return address{}, err
		}
		a.host, a.port = host[:i], port
	}
	a.host = strings.Trim(a.host, "[]")
	if a.host == "" {
		return address{}, fmt.Errorf("%.100q: not an address", text)
	}
	return a, nil
}

// hostOf is the Host field.
func hostOf(a address) string {
	host := a.host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if a.port != 80 {
		host += ":" + strconv.Itoa(int(a.port))
	}
	return host
}

// follow is where a reference leads that the answer to a request has.
func follow(from address, reference string) string {
	base := "http://" + hostOf(from)
	i := strings.IndexAny(reference, ":/?#")
	switch {
	case i > 0 && reference[i] == ':': // with a scheme
		return reference
	case strings.HasPrefix(reference, "//"):
		return "http:" + reference
	case strings.HasPrefix(reference, "/"):
		return base + reference
	}
	target, _, _ := strings.Cut(from.target, "?")
	if strings.HasPrefix(reference, "?") || strings.HasPrefix(reference, "#") {
		return base + target + reference
	}
	dir, _ := path.Split(target)
	name, rest := reference, ""
	if i := strings.IndexAny(reference, "?#"); i >= 0 {
		name, rest = reference[:i], reference[i:]
	}
	clean := path.Join("/", dir, name)
	if strings.HasSuffix(name, "/") && clean != "/" {
		clean += "/"
	}
	return base + clean + rest
}
