// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// decodeFindings turns the decoder's errors into findings that name the line
// and, for a key that does not exist, the one that was probably meant.
func decodeFindings(err error) Findings {
	if unknown, ok := errors.AsType[*toml.StrictMissingError](err); ok {
		var findings Findings
		for i := range unknown.Errors {
			line, _ := unknown.Errors[i].Position()
			findings = append(findings, unknownKey(strings.Join(unknown.Errors[i].Key(), "."), line))
		}
		return findings
	}
	if fault, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, _ := fault.Position()
		return Findings{decodeFinding(strings.Join(fault.Key(), "."), line, fault.Error())}
	}
	return Findings{{Problem: err.Error()}}
}

// decodeFinding is the finding for one value, or for a fault of syntax, which
// has no key. The decoder speaks of Go's types to those who know TOML's.
func decodeFinding(path string, line int, text string) *Finding {
	k, known := lookup(path)
	found := &Finding{Line: line, Problem: strings.TrimPrefix(text, "toml: "), Doc: k.doc}
	if known {
		found.Key = path
	}
	if given, isType := strings.CutPrefix(found.Problem, "cannot decode TOML "); isType {
		given, _, _ = strings.Cut(given, " into ")
		found.Problem = fmt.Sprintf("is written as TOML %s", given)
		if known {
			found.Problem += ", not as " + k.form
		}
	}
	return found
}
