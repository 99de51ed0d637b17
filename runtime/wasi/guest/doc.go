// SPDX-License-Identifier: Apache-2.0

// Package guest is how host functions see the guest that calls them: its arguments on wazero's raw
// stack, its memory behind bounds checks, its end. The faces of the WASI host are lists of Func.
package guest
