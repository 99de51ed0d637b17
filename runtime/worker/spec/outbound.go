// SPDX-License-Identifier: Apache-2.0

package spec

import "time"

// Outbound lets a guest make HTTP requests by host functions, to the origins
// that are named.
type Outbound struct {
	Allowed     []Origin
	Concurrency int           // how many responses may be open at once
	Timeout     time.Duration // how long a request may take to its response's head, and each part of a body
}

// Origin is where requests may go. What is left empty may be anything.
type Origin struct {
	Scheme string // "http" or "https"
	Host   string // a name in lower case or an IP address
	Port   uint16
}

// Covers says whether a request to the other origin, which is complete, is one
// to this.
func (o Origin) Covers(other Origin) bool {
	return (o.Scheme == "" || o.Scheme == other.Scheme) && (o.Host == "" || o.Host == other.Host) && (o.Port == 0 || o.Port == other.Port)
}
