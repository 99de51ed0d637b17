// SPDX-License-Identifier: Apache-2.0

//go:build !amd64 || amd64.v2

package launch

// quickTables is nothing where Go has no choice.
const quickTables = ""
