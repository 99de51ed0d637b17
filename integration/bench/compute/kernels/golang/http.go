// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"time"
)

// requests answers 2,000 requests on one connection with net/http, which costs what a web
// server's own code does: the connection is memory, so nobody is asked for anything.
func requests() func() uint32 {
	var asked bytes.Buffer
	for i := range 2000 {
		fmt.Fprintf(&asked, "GET /there/%d HTTP/1.1\r\nHost: web.example\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n", i)
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Date"] = nil // it would differ
		fmt.Fprintf(w, "hello from %s\n", r.URL.Path)
	})
	return func() uint32 {
		c := &memory{in: bytes.NewReader(asked.Bytes()), closed: make(chan struct{})}
		err := (&http.Server{Handler: handler}).Serve(&once{conn: c})
		if err != io.EOF {
			panic(err)
		}
		return c.sum
	}
}

// once is a listener with one client, and ends when that has gone.
type once struct {
	conn *memory
	had  bool
}

func (l *once) Accept() (net.Conn, error) {
	if l.had {
		<-l.conn.closed
		return nil, io.EOF
	}
	l.had = true
	return l.conn, nil
}

func (l *once) Close() error   { return nil }
func (l *once) Addr() net.Addr { return address{} }

// memory is a connection whose client has said all before it listens, and adds up what
// it hears.
type memory struct {
	in     *bytes.Reader
	sum    uint32
	closed chan struct{}
}

func (c *memory) Read(b []byte) (int, error) { return c.in.Read(b) }

func (c *memory) Write(b []byte) (int, error) {
	c.sum = crc32.Update(c.sum, crc32.IEEETable, b)
	return len(b), nil
}

func (c *memory) Close() error {
	close(c.closed)
	return nil
}

func (c *memory) LocalAddr() net.Addr              { return address{} }
func (c *memory) RemoteAddr() net.Addr             { return address{} }
func (c *memory) SetDeadline(time.Time) error      { return nil }
func (c *memory) SetReadDeadline(time.Time) error  { return nil }
func (c *memory) SetWriteDeadline(time.Time) error { return nil }

type address struct{}

func (address) Network() string { return "memory" }
func (address) String() string  { return "memory" }
