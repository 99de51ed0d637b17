// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Names in the tokens of TokenRegistry.
const (
	tokenService = "wazelet-lab-registry"
	tokenIssuer  = "wazelet-lab-tokens"
)

// tokenLife is how long a token is good for.
const tokenLife = 5 * time.Minute

// signer gives RegistryUser tokens (the distribution project's "Token Authentication Specification").
type signer struct {
	certificate []byte // DER
	key         *ecdsa.PrivateKey
}

func loadSigner(certificate, key string) (*signer, error) {
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		return nil, err
	}
	private, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s: not an ECDSA key", key)
	}
	if _, err := x509.ParseCertificate(pair.Certificate[0]); err != nil {
		return nil, err
	}
	return &signer{pair.Certificate[0], private}, nil
}

// access is what a token allows.
type access struct {
	Type    string   `json:"type"`
	Name    string   `json:"name"`
	Actions []string `json:"actions"`
}

// ServeHTTP answers a request for a token: by GET with a user and password, the older form that every client knows.
func (s *signer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	user, password, _ := r.BasicAuth()
	if user != RegistryUser || password != RegistryPassword || r.URL.Query().Get("service") != tokenService {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	var granted []access
	for _, scope := range r.URL.Query()["scope"] {
		for _, one := range strings.Fields(scope) {
			if parts := strings.Split(one, ":"); len(parts) == 3 {
				granted = append(granted, access{parts[0], parts[1], strings.Split(parts[2], ",")})
			}
		}
	}
	token, err := s.sign(granted)
	if err == nil {
		w.Header().Set("Content-Type", "application/json")
		err = json.NewEncoder(w).Encode(map[string]any{"token": token, "expires_in": int(tokenLife.Seconds())})
	}
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
	}
}

// sign makes a JSON Web Token (RFC 7519) of form ES256.
func (s *signer) sign(granted []access) (string, error) {
	now := time.Now()
	header, errHeader := json.Marshal(map[string]any{"typ": "JWT", "alg": "ES256", "x5c": []string{base64.StdEncoding.EncodeToString(s.certificate)}})
	claims, errClaims := json.Marshal(map[string]any{
		"iss": tokenIssuer, "sub": RegistryUser, "aud": tokenService, "jti": random(8), "access": granted,
		"iat": now.Unix(), "nbf": now.Add(-time.Minute).Unix(), "exp": now.Add(tokenLife).Unix(),
	})
	if err := errors.Join(errHeader, errClaims); err != nil {
		return "", err
	}
	signed := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(claims)
	sum := sha256.Sum256([]byte(signed))
	a, b, err := ecdsa.Sign(rand.Reader, s.key, sum[:])
	if err != nil {
		return "", err
	}
	const half = 32 // bytes of each number, of P-256
	signature := append(a.FillBytes(make([]byte, half)), b.FillBytes(make([]byte, half))...)
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}
