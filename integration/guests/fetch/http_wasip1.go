// SPDX-License-Identifier: Apache-2.0

package main

import (
	"runtime"
	"strings"
	"unsafe"
)

//go:wasmimport wasi_experimental_http req
func req(url unsafe.Pointer, urlLen uint32, method unsafe.Pointer, methodLen uint32,
	header unsafe.Pointer, headerLen uint32, body unsafe.Pointer, bodyLen uint32, status *uint16, handle *uint32) uint32

//go:wasmimport wasi_experimental_http header_get
func headerGet(handle uint32, name unsafe.Pointer, nameLen uint32, buffer unsafe.Pointer, bufferLen uint32, n *uint32) uint32

//go:wasmimport wasi_experimental_http body_read
func bodyRead(handle uint32, buffer unsafe.Pointer, bufferLen uint32, n *uint32) uint32

//go:wasmimport wasi_experimental_http close
func closeResponse(handle uint32) uint32

// handle is a response's.
type handle uint32

func init() { request = ask }

func ask(method, url, body string) (status uint16, r response, err error) {
	var h uint32
	header := ""
	if body != "" {
		header = "Content-Type:text/plain\n"
	}
	e := req(at(url), uint32(len(url)), at(method), uint32(len(method)), at(header), uint32(len(header)), at(body), uint32(len(body)), &status, &h)
	runtime.KeepAlive([]string{url, method, header, body})
	if e != 0 {
		return 0, nil, failure(e)
	}
	return status, handle(h), nil
}

func at(s string) unsafe.Pointer { return unsafe.Pointer(unsafe.StringData(s)) }

func (h handle) header(name string) (string, error) {
	buffer := make([]byte, 4096)
	var n uint32
	e := headerGet(uint32(h), at(name), uint32(len(name)), unsafe.Pointer(unsafe.SliceData(buffer)), uint32(len(buffer)), &n)
	runtime.KeepAlive(name)
	if e != 0 {
		return "", failure(e)
	}
	return string(buffer[:n]), nil
}

func (h handle) body() (string, error) {
	buffer := make([]byte, 4096)
	var text strings.Builder
	for {
		var n uint32
		if e := bodyRead(uint32(h), unsafe.Pointer(unsafe.SliceData(buffer)), uint32(len(buffer)), &n); e != 0 {
			return "", failure(e)
		}
		if n == 0 {
			return text.String(), nil
		}
		text.Write(buffer[:n])
	}
}

func (h handle) close() { closeResponse(uint32(h)) }
