// SPDX-License-Identifier: Apache-2.0

// Package fault has one.
package fault

func nobody() {} // want unused "nobody"
