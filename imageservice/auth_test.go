// SPDX-License-Identifier: Apache-2.0

package imageservice

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
)

// basic is the header of user "user" with password "pa55word".
var basic = "Basic " + base64.StdEncoding.EncodeToString([]byte("user:pa55word"))

// requireBasic lets only requests with basic through to the registry.
func requireBasic(h *hub) {
	h.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Authorization") == basic {
			return false
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
		w.WriteHeader(http.StatusUnauthorized)
		return true
	})
}

func TestBasicAuthentication(t *testing.T) {
	h := newHub(t)
	h.push(t, "app:1", helloImage(t, "hi"))
	requireBasic(h)
	encoded := strings.TrimPrefix(basic, "Basic ")
	for name, auth := range map[string]*Auth{
		"user and password":      {Username: "user", Password: "pa55word"},
		"auth":                   {Auth: encoded},
		"auth without padding":   {Auth: strings.TrimRight(encoded, "=")},
		"for this registry":      {Username: "user", Password: "pa55word", ServerAddress: h.host},
		"for this registry, URL": {Username: "user", Password: "pa55word", ServerAddress: "https://" + h.host + "/v1/"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t, nil)
			if _, err := s.Pull(t.Context(), h.ref("app:1"), auth); err != nil {
				t.Error(err)
			}
		})
	}
	for name, test := range map[string]struct {
		auth     *Auth
		sentence string
		class    func(error) bool
	}{
		"none":          {nil, "requires authentication (imagePullSecrets)", errdefs.IsUnauthorized},
		"wrong":         {&Auth{Username: "user", Password: "x"}, "refused the credentials", errdefs.IsUnauthorized},
		"of another":    {&Auth{Username: "user", Password: "pa55word", ServerAddress: "other.example"}, "refused the credentials", errdefs.IsUnauthorized},
		"not decodable": {&Auth{Auth: "%%"}, "is not the base64 form of user:password", errdefs.IsInvalidArgument},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t, nil)
			_, err := s.Pull(t.Context(), h.ref("app:1"), test.auth)
			if err == nil || !strings.Contains(err.Error(), test.sentence) || !test.class(err) {
				t.Errorf("error = %v", err)
			}
			if err != nil && strings.Contains(err.Error(), "pa55word") {
				t.Errorf("the password is in %q", err)
			}
			wantNothing(t, s)
		})
	}
}

// A present image is not given to who cannot read it from the registry.
func TestPresentImageNeedsCredentialsToo(t *testing.T) {
	h := newHub(t)
	h.push(t, "app:1", helloImage(t, "hi"))
	requireBasic(h)
	g := newService(t, nil)
	if _, err := g.Pull(t.Context(), h.ref("app:1"), &Auth{Username: "user", Password: "pa55word"}); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Pull(t.Context(), h.ref("app:1"), nil); !errdefs.IsUnauthorized(err) {
		t.Errorf("pull without credentials: %v", err)
	}
	a, err := parseRef("app")
	if err != nil {
		t.Fatal(err)
	}
	none, err := pullKey(a, nil)
	if err != nil {
		t.Fatal(err)
	}
	some, err := pullKey(a, &Auth{Username: "user"})
	if err != nil || none == some {
		t.Errorf("pulls with and without credentials share a transfer (%v)", err)
	}
}

func TestTokenAuthentication(t *testing.T) {
	h := newHub(t)
	h.push(t, "app:1", helloImage(t, "hi"))
	h.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case r.URL.Path == "/token":
			if err := r.ParseForm(); err != nil {
				t.Error(err)
			}
			user, password, _ := r.BasicAuth()
			granted := user == "user" && password == "pa55word" ||
				r.Form.Get("password") == "pa55word" || r.Form.Get("refresh_token") == "identity"
			if !granted {
				w.WriteHeader(http.StatusUnauthorized)
				return true
			}
			_ = json.NewEncoder(w).Encode(map[string]string{"token": "t0ken", "access_token": "t0ken"})
			return true
		case r.Header.Get("Authorization") == "Bearer t0ken":
			return false
		}
		w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+h.host+`/token",service="test",scope="repository:app:pull"`)
		w.WriteHeader(http.StatusUnauthorized)
		return true
	})
	for name, auth := range map[string]*Auth{
		"password": {Username: "user", Password: "pa55word"},
		"identity": {IdentityToken: "identity"},
		"registry": {RegistryToken: "t0ken"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t, nil)
			if _, err := s.Pull(t.Context(), h.ref("app:1"), auth); err != nil {
				t.Error(err)
			}
		})
	}
	s := newService(t, nil)
	for name, auth := range map[string]*Auth{"none": nil, "wrong": {Username: "user", Password: "x"}, "wrong token": {RegistryToken: "x"}} {
		if _, err := s.Pull(t.Context(), h.ref("app:1"), auth); !errdefs.IsUnauthorized(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
