// SPDX-License-Identifier: Apache-2.0

// Package record keeps small values on disk so that they survive a killed
// daemon: one file per value, replaced atomically, versioned and checksummed.
//
// A reader of a directory sees for each id either the value of the last
// finished Put or none. A lost power supply takes what was written in the last
// moment before it, unless Sync has returned since; nothing else of it. What cannot
// be read is set aside and reported, so that one bad sector costs one record and
// never the start of the daemon.
//
//	<dir>/<id>.json       {"version":1,"id":"…","checksum":"sha256:…","record":{…}}
//	<dir>/_tmp-…          a Put that was interrupted; removed by Load
//	<dir>/corrupt/<name>  a file that Load could not read
package record
