// SPDX-License-Identifier: Apache-2.0

// Package policy decides which images a node takes: by where they come from, by
// whether they are named by their digest, and by who has signed them. It reads
// nothing but the keys; what it judges is handed to it.
package policy

import (
	"fmt"
	"strings"

	"github.com/distribution/reference"
)

// Accept is what a rule takes.
type Accept string

// What a rule may take.
const (
	Anything Accept = "anything"
	Nothing  Accept = "nothing"
	Signed   Accept = "signed" // images that one of the rule's keys has signed
)

// Rule is about the repositories in its scopes.
type Rule struct {
	Name string
	// Scopes are a registry, a namespace or a repository ("registry.example",
	// "registry.example/team", "registry.example/team/app"), or the registries
	// of a domain and its subdomains but not itself ("*.example").
	Scopes []string
	Accept Accept
	// Pinned takes only images that are named by their digest.
	Pinned bool
	// Keys are files with the public keys (PEM) of Signed.
	Keys []string
	// AnyIdentity takes signatures that were made for another repository, as
	// those of images that were copied.
	AnyIdentity bool
}

// Policy is rules, and what becomes of an image that none is about. The zero
// value takes everything.
type Policy struct {
	Default Accept
	Rules   []Rule
}

// Rule returns the rule for a repository: the one with the narrowest scope, or
// one of no name with the default.
func (p Policy) Rule(named reference.Named) Rule {
	found, narrowest := Rule{Accept: p.Default}, 0
	if found.Accept == "" {
		found.Accept = Anything
	}
	for _, rule := range p.Rules {
		for _, scope := range rule.Scopes {
			if inScope(named, scope) && len(scope) > narrowest {
				found, narrowest = rule, len(scope)
			}
		}
	}
	return found
}

func inScope(named reference.Named, scope string) bool {
	host := canonicalHost(reference.Domain(named))
	if domain, ok := strings.CutPrefix(scope, "*"); ok {
		return strings.HasSuffix(host, strings.ToLower(domain))
	}
	scopeHost, scopePath, _ := strings.Cut(scope, "/")
	if canonicalHost(scopeHost) != host {
		return false
	}
	rest, ok := strings.CutPrefix(reference.Path(named)+"/", scopePath)
	return ok && (scopePath == "" || rest[0] == '/')
}

// canonicalHost is the one form of a registry's name that others lead to the same
// registry by: a rule must not be passed by writing it differently.
func canonicalHost(host string) string { return strings.TrimSuffix(strings.ToLower(host), ":443") }

// Admit judges an image by its name alone: it is nil if nothing speaks against
// it so far. A signature may still be asked for.
func (r Rule) Admit(named reference.Named) error {
	if r.Accept == Nothing {
		return fmt.Errorf("images of %s are not taken (%s)", named.Name(), r)
	}
	if _, pinned := named.(reference.Digested); r.Pinned && !pinned {
		return fmt.Errorf("images of %s are only taken by their digest, NAME@sha256:… (%s)", named.Name(), r)
	}
	return nil
}

// String names the rule as the configuration does.
func (r Rule) String() string {
	if r.Name == "" {
		return "image.policy.default"
	}
	return "image.policy.rules." + r.Name
}
