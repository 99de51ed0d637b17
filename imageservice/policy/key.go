// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
)

// Bounds of a file of keys.
const (
	maxKeyFile = 64 << 10 // bytes
	minRSABits = 2048
)

// Key is a public key that signatures are checked with.
type Key struct{ public crypto.PublicKey }

// LoadKeys reads the keys of a rule. A file may have several.
func (r Rule) LoadKeys() ([]Key, error) {
	var keys []Key
	for _, path := range r.Keys {
		found, err := loadKeys(path)
		if err != nil {
			return nil, fmt.Errorf("key %s of %s: %w", path, r, err)
		}
		keys = append(keys, found...)
	}
	return keys, nil
}

func loadKeys(path string) ([]Key, error) {
	file, err := os.Open(path)
	if err != nil {
		if cause := errors.Unwrap(err); cause != nil {
			err = cause
		}
		return nil, err
	}
	defer file.Close()
	raw, err := io.ReadAll(io.LimitReader(file, maxKeyFile+1))
	if err != nil {
		return nil, err
	}
	if len(raw) > maxKeyFile {
		return nil, fmt.Errorf("larger than %d bytes", maxKeyFile)
	}
	return ParseKeys(raw)
}

// ParseKeys reads public keys in PEM (SubjectPublicKeyInfo, as cosign.pub and
// `openssl pkey -pubout` have it): ECDSA on P-256, P-384 or P-521, Ed25519, RSA.
func ParseKeys(raw []byte) (keys []Key, err error) {
	for {
		var block *pem.Block
		if block, raw = pem.Decode(raw); block == nil {
			break
		}
		if block.Type != "PUBLIC KEY" {
			return nil, fmt.Errorf("it holds a %.40q, not a PUBLIC KEY", block.Type)
		}
		public, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("it holds no public key that can be read: %w", err)
		}
		if err := usable(public); err != nil {
			return nil, err
		}
		keys = append(keys, Key{public})
	}
	if len(keys) == 0 {
		return nil, errors.New("it holds no public key in PEM")
	}
	return keys, nil
}

func usable(public crypto.PublicKey) error {
	switch key := public.(type) {
	case ed25519.PublicKey:
		return nil
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P224() {
			return errors.New("its curve P-224 is too weak")
		}
		return nil
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < minRSABits {
			return fmt.Errorf("its RSA key of %d bits is too weak, %d are the least", bits, minRSABits)
		}
		return nil
	}
	return fmt.Errorf("keys of type %T are not supported", public)
}

// Verify tells whether signature is one of message by this key, in the forms
// that cosign makes: over the SHA-256 of the message, Ed25519 over the message
// itself, RSA with PKCS #1 v1.5.
func (k Key) Verify(message, signature []byte) bool {
	sum := sha256.Sum256(message)
	switch key := k.public.(type) {
	case ed25519.PublicKey:
		return ed25519.Verify(key, message, signature)
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(key, sum[:], signature)
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature) == nil
	}
	return false
}
