// SPDX-License-Identifier: Apache-2.0

package runtime

// Waiting returns how many callers wait for compilers.
func (m *Modules) Waiting() (n int) {
	m.flying.Lock()
	defer m.flying.Unlock()
	for _, f := range m.flights {
		n += f.waiting
	}
	return n
}
