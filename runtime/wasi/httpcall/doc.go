// SPDX-License-Identifier: Apache-2.0

// Package httpcall is HTTP by host functions: the import module wasi_experimental_http, with which
// guests made requests before WASI had sockets, on Krustlet among others. The Rust crate
// wasi-experimental-http and the AssemblyScript package of that name import it.
//
// A request names a URL, a method, a header and a body; the answer is a status and a handle, through
// which the response's header and body are read:
//
//	req(url, url_len, method, method_len, header, header_len, body, body_len, out status u16, out handle)
//	header_get(handle, name, name_len, buffer, buffer_len, out written)
//	headers_get_all(handle, buffer, buffer_len, out written)
//	body_read(handle, buffer, buffer_len, out written)   0 written is the end
//	close(handle)
//
// All parameters are i32, and so is the result: 0, or an [Error]. A header is lines "name:value\n".
//
// What may be asked, and who asks, is the [Outbound]'s to say. The ABI is that of the crate's releases
// 0.6 to 0.10; where its host panicked (a header line without a colon, a handle that is none), an error
// is the answer here. A redirect is followed only to where a request could go as well, and a body is
// read as it comes, not gathered.
package httpcall
