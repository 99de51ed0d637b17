// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"

	"github.com/containerd/errdefs"
)

// Auth is one registry's credentials in the shapes the kubelet sends (CRI AuthConfig). At most one shape is used, in the
// order of the methods: RegistryToken, IdentityToken, Username and Password, Auth.
type Auth struct {
	Username, Password string
	Auth               string // base64 of "username:password"
	ServerAddress      string // registry the credentials are for; "" means whichever the image is pulled from
	IdentityToken      string // exchanged for an access token
	RegistryToken      string // sent to the registry as it is
}

// dockerHub has the names of the registry that docker.io stands for.
var dockerHub = map[string]bool{"docker.io": true, "index.docker.io": true, "registry-1.docker.io": true}

// credentials returns the user and secret for a host that asks for them. Only hosts of the image's registry and its
// configured mirrors get any: one they redirect to does not.
func (s *Session) credentials(host string) (string, string, error) {
	if s.auth == nil || !s.entitled(host) {
		return "", "", nil
	}
	return s.auth.secret()
}

// entitled tells whether host may be sent the credentials: it is the image's registry, or stands for it by
// configuration, and they are for one of the two.
func (s *Session) entitled(host string) bool {
	for _, h := range s.hosts {
		if h.Host == host {
			return s.auth.appliesTo(host) || s.auth.appliesTo(s.domain())
		}
	}
	return false
}

func (a *Auth) appliesTo(host string) bool {
	if a.ServerAddress == "" {
		return true
	}
	address := a.ServerAddress
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		address = u.Host
	} else {
		address, _, _ = strings.Cut(address, "/")
	}
	return strings.EqualFold(address, host) || dockerHub[address] && dockerHub[host]
}

func (a *Auth) secret() (user, secret string, err error) {
	switch {
	case a.IdentityToken != "":
		return "", a.IdentityToken, nil
	case a.Username != "" || a.Password != "":
		return a.Username, a.Password, nil
	case a.Auth == "":
		return "", "", nil
	}
	decoded, err := base64.StdEncoding.DecodeString(a.Auth)
	if err != nil {
		decoded, err = base64.RawStdEncoding.DecodeString(a.Auth)
	}
	user, secret, ok := strings.Cut(strings.TrimRight(string(decoded), "\x00"), ":")
	if err != nil || !ok {
		return "", "", &Error{
			Text:  "its pull secret's auth is not the base64 form of user:password",
			Class: errdefs.ErrInvalidArgument, Cause: err,
		}
	}
	return user, secret, nil
}

// bearer adds a registry token to a request to the registry.
func (s *Session) bearer(req *http.Request) *http.Request {
	if s.auth == nil || s.auth.RegistryToken == "" || req.Header.Get("Authorization") != "" || !s.entitled(req.URL.Host) {
		return req
	}
	req.Header = req.Header.Clone() // a RoundTripper must not change its request
	req.Header.Set("Authorization", "Bearer "+s.auth.RegistryToken)
	return req
}
