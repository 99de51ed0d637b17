// SPDX-License-Identifier: Apache-2.0

// Package wasi is the WASI host of one guest: its descriptors, files, standard streams, sockets,
// clocks and the poller it sleeps in, straight on the kernel. It knows no snapshot of WASI and no
// guest memory; faces do.
//
//	guest (wasm)
//	  │ imports wasi_snapshot_preview1, wasi_unstable          (later: wasi:io, wasi:sockets, …)
//	  ▼
//	preview1 ──── wasmedge          faces: arguments, rights, layouts, errno
//	  │  guest: memory behind bounds checks, the guest's end
//	  ▼
//	wasi ┌─ System ── table ── Descriptor ─┬─ file, directory ── resolve ── openat2
//	     │                                 ├─ pipe, terminal ┐
//	     │                                 ├─ socket         ├─ non-blocking; waits in ─┐
//	     │                                 └─ Sink           ┘                          │
//	     ├─ Poller ── ppoll ◀───────────────────────────────────────────────────────────┘
//	     ├─ connections ◀── Drain       what a server has open, and its orderly end
//	     └─ wake (eventfd) ◀── Interrupt
//
// Four rules hold everywhere.
//
// Nothing blocks where it cannot be woken. Whatever can block (pipes, terminals, sockets, FIFOs,
// devices) is used without blocking, and waited for in one ppoll together with an eventfd that
// Interrupt writes to. Whether the guest wants to wait is a flag of ours, not of the kernel's.
//
// The kernel is the sandbox. The worker has pivoted into the container's root and dropped its
// privileges before a System exists; see resolve.go for what this package adds.
//
// The guest's word is checked. Paths, lengths, flags, offsets and numbers are bounded (types.go) and
// answered with an Errno, never with a panic. Rights are enforced as the preview 1 specification has
// them.
//
// Hot paths leave no garbage: reads, writes, polls and clocks allocate nothing. A worker runs Go's
// collector only inside host calls, since a guest that computes cannot be stopped for it; calls that
// do allocate announce it through Options.Collect.
package wasi
