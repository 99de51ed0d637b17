// SPDX-License-Identifier: Apache-2.0

//go:build amd64 && !amd64.v2

package launch

// quickTables has Go do without SSE 4.2, for the tables of CRC-32C: wazero wants them when it
// is initialised, and a worker hardly uses them. The plain ones are made in a quarter of the time.
const quickTables = ",cpu.sse42=off"
