// SPDX-License-Identifier: Apache-2.0

// Package delegate hands pods of other handlers to an upstream CRI runtime and
// makes one node of the two.
//
//	kubelet ─▶ Router ─┬─▶ Local      Wazelet's own services
//	                   └─▶ Upstream   one gRPC connection; requests and answers as they are
//	                        └─ mirror  what was last seen of it
//
// Who answers is decided by the handler for a new pod, by its owner for one that
// is there: an id that is not Wazelet's goes upstream. Ids, URLs, errors, deadlines,
// metadata and fields that this release does not know pass through unchanged, and so
// do calls that it does not know.
//
// Lists are those of both, and never short: the kubelet takes a pod that is missing
// for dead and one runtime that errs for a broken node. While the upstream runtime is
// away the mirror stands in for a bounded time; what would change something answers
// Unavailable. Nothing of Wazelet's own waits for the upstream runtime longer than
// readPatience, and that only until it is known to be away.
package delegate
