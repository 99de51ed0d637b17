// SPDX-License-Identifier: Apache-2.0

// Package fault has one.
package fault

// recieve is spelled so. // want misspell "receive"
func recieve() {}

var _ = recieve
