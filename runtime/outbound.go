// SPDX-License-Identifier: Apache-2.0

package runtime

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/errdefs"

	"github.com/wazelet/wazelet/runtime/worker/spec"
)

// Annotations of a container whose guest may make HTTP requests by host functions.
// Each may name its container (wazelet.dev/outbound-http.NAME).
const (
	outboundAnnotation            = "wazelet.dev/outbound-http"
	outboundConcurrencyAnnotation = "wazelet.dev/outbound-http-concurrency"
	outboundTimeoutAnnotation     = "wazelet.dev/outbound-http-timeout"

	// Krustlet's, for all of a pod's containers; in force where the others are not.
	krustletDomainsAnnotation     = "alpha.wasi.krustlet.dev/allowed-domains"
	krustletConcurrencyAnnotation = "alpha.wasi.krustlet.dev/max-concurrent-requests"
	krustletAllowAll              = "insecure:allow-all"

	anyOrigin = "*"

	maxOutboundConcurrency = 1024
	maxOutboundTimeout     = time.Hour
	maxOrigins             = 256
)

// Bounds of a container's requests where nobody says otherwise; see spec.Outbound.
const (
	DefaultOutboundConcurrency = 64
	DefaultOutboundTimeout     = 30 * time.Second
)

// outbound decides which HTTP requests a container's guest may make; nil is none. A
// pod without outbound access makes none, whatever else it is annotated with.
func outbound(c Config, pod map[string]string, noDialing bool) (*spec.Outbound, error) {
	o := &spec.Outbound{Concurrency: DefaultOutboundConcurrency, Timeout: DefaultOutboundTimeout}
	refuse := func(key string, err error) (*spec.Outbound, error) {
		return nil, fmt.Errorf("container %s: annotation %s: %w: %w", c.Name, key, err, errdefs.ErrInvalidArgument)
	}
	key, value := annotation(c, pod, outboundAnnotation)
	parse := parseOrigins
	if value == "" {
		key, parse = krustletDomainsAnnotation, krustletOrigins
		value = pod[key]
	}
	var err error
	if o.Allowed, err = parse(value); err != nil {
		return refuse(key, err)
	}
	if key, value := annotation(c, pod, outboundTimeoutAnnotation); value != "" {
		if o.Timeout, err = time.ParseDuration(value); err != nil || o.Timeout < time.Second || o.Timeout > maxOutboundTimeout {
			return refuse(key, fmt.Errorf(`%q: want a duration such as "30s", from 1s to %s`, value, maxOutboundTimeout))
		}
	}
	if key, value = annotation(c, pod, outboundConcurrencyAnnotation); value == "" {
		key = krustletConcurrencyAnnotation
		value = pod[key]
	}
	if value != "" {
		if o.Concurrency, err = strconv.Atoi(value); err != nil || o.Concurrency < 1 || o.Concurrency > maxOutboundConcurrency {
			return refuse(key, fmt.Errorf("%q: want 1 to %d", value, maxOutboundConcurrency))
		}
	}
	if noDialing || len(o.Allowed) == 0 {
		return nil, nil
	}
	return o, nil
}

// parseOrigins reads the annotation: "none", or origins separated by commas.
func parseOrigins(value string) ([]spec.Origin, error) {
	value = strings.TrimSpace(value)
	if value == "" || value == none {
		return nil, nil
	}
	var list []spec.Origin
	for item := range strings.SplitSeq(value, ",") {
		o, err := ParseOrigin(strings.TrimSpace(item))
		if err != nil {
			return nil, err
		}
		if list = append(list, o); len(list) > maxOrigins {
			return nil, fmt.Errorf("more than %d origins", maxOrigins)
		}
	}
	return list, nil
}

// ParseOrigin reads where requests may go, as the annotation wazelet.dev/outbound-http
// and `wazelet run --allow-http` write it: [SCHEME://]HOST[:PORT], or "*" for
// anywhere. Without a scheme both are meant; a scheme without a port means its own
// port, and neither means every port.
func ParseOrigin(item string) (spec.Origin, error) {
	if item == anyOrigin {
		return spec.Origin{}, nil
	}
	scheme, rest, found := strings.Cut(item, "://")
	if !found {
		scheme, rest = "", item
	}
	o := spec.Origin{Scheme: strings.ToLower(scheme)}
	refuse := func(why string) (spec.Origin, error) {
		return spec.Origin{}, fmt.Errorf("%q: %s: want [SCHEME://]HOST[:PORT]", item, why)
	}
	switch o.Scheme {
	case "http":
		o.Port = 80
	case "https":
		o.Port = 443
	default:
		if found {
			return refuse("the scheme must be http or https")
		}
	}
	u, err := url.Parse("//" + rest)
	if err != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return refuse("not an origin")
	}
	if port := u.Port(); port != "" || strings.HasSuffix(rest, ":") {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return refuse("the port must be 1 to 65535")
		}
		o.Port = uint16(n)
	}
	if o.Host, err = originHost(u.Hostname()); err != nil {
		return refuse(err.Error())
	}
	return o, nil
}

// originHost is a host in the form that those of requests have.
func originHost(host string) (string, error) {
	if addr, err := netip.ParseAddr(host); err == nil && addr.Zone() == "" {
		return addr.String(), nil
	}
	host = strings.ToLower(host)
	if host == "" || strings.Trim(host, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
		return "", fmt.Errorf("the host must be a name in ASCII or an IP address")
	}
	return host, nil
}

// krustletOrigins reads Krustlet's annotation: a list of URLs in JSON. As there, only
// their hosts count.
func krustletOrigins(value string) ([]spec.Origin, error) {
	if value == "" {
		return nil, nil
	}
	var domains []string
	if err := json.Unmarshal([]byte(value), &domains); err != nil {
		return nil, fmt.Errorf("want a list of URLs in JSON: %w", err)
	}
	if len(domains) > maxOrigins {
		return nil, fmt.Errorf("more than %d domains", maxOrigins)
	}
	var list []spec.Origin
	for _, domain := range domains {
		if domain == krustletAllowAll {
			list = append(list, spec.Origin{})
			continue
		}
		u, err := url.Parse(domain)
		if err != nil || u.Host == "" {
			return nil, fmt.Errorf("%q: want a URL such as https://api.example", domain)
		}
		host, err := originHost(u.Hostname())
		if err != nil {
			return nil, fmt.Errorf("%q: %w", domain, err)
		}
		list = append(list, spec.Origin{Host: host})
	}
	return list, nil
}
