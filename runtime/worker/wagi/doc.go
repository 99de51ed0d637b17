// SPDX-License-Identifier: Apache-2.0

// Package wagi serves HTTP/1.1 with a program that knows nothing of it: each
// request is one run of the module, which finds the request's head in its
// environment, its body on stdin, and writes a CGI response (RFC 3875) to
// stdout. The variables and arguments are those of WAGI, the WebAssembly
// Gateway Interface.
//
//	listener ─ conn: request line, fields, body ─ slot ─┐
//	                                                    ▼
//	   variables, arguments ─▶ engine.Guest ─ stdout ─▶ response head ─ body ─▶ conn
//	   body ─ pipe ─▶ stdin                  └ stderr ─▶ the container's log
//
// The HTTP is the package's own because every worker would pay for net/http's
// size and start, and most never serve. It is HTTP/1.1 (RFC 9112) as a backend
// needs it: requests with length or chunks, connections kept alive, every part
// bounded (bounds.go); what is not right is refused, never repaired.
//
// All runs share a process, which bounds what can be done with one that
// computes without pause. It holds one processor of the process's and nothing
// else; when its time is over, the process ends with it.
package wagi
