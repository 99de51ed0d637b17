// SPDX-License-Identifier: Apache-2.0

// Package record keeps small values on disk so that they survive a killed
// daemon: versioned, checksummed, and written ahead.
//
// A change is one line more in a journal. Seconds later all that has changed is
// brought into files, one per value, and the journal removed; a value that is
// removed before has no file at all. Whoever loads a directory sees for each id
// either the value of the last finished Put or none. A lost power supply takes what
// was written in the last moment before it, unless Sync has returned since; nothing
// else of it. What cannot be read is set aside and reported, so that one bad sector
// costs one record and never the start of the daemon.
//
//	<dir>/<id>.json         {"version":1,"id":"…","checksum":"sha256:…","record":{…}}
//	<dir>/_tmp-journal-<n>  lines: the CRC-32C of such an envelope, and it; what a
//	                        daemon that was killed has left of them is brought into
//	                        files by Load
//	<dir>/_tmp-…            a file that was interrupted; removed by Load
//	<dir>/corrupt/<name>    what Load could not read
package record
