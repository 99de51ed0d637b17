// SPDX-License-Identifier: Apache-2.0

package network

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/wazelet/wazelet/toolbox/command"
	"github.com/wazelet/wazelet/toolbox/socket"
)

// Bounds of the server.
const (
	maxClients  = 256
	idleTimeout = 60 * time.Second
	// sendTimeout is how long a client may take for each part of an answer.
	sendTimeout = 60 * time.Second
	sendPart    = 64 << 10
)

// server serves the files of a directory.
type server struct {
	c       *command.Call
	home    string // empty: a page that says that it works
	verbose bool
	slots   chan struct{}
}

// homes are where web servers keep their pages, where nobody says otherwise.
var homes = []string{"/var/www/html", "/usr/share/nginx/html", "/usr/local/apache2/htdocs", "/www"}

// httpd serves files over HTTP, in the foreground: -h DIRECTORY, -p [ADDRESS:]PORT. Without -p it
// serves on the listeners it was handed, or on port 80. As nginx it is the same.
func httpd(ctx context.Context, c *command.Call) int {
	o, args, err := c.Options("f v p: h: g: c: i u: r: t")
	if err == nil && len(args) > 0 {
		err = fmt.Errorf("%s: not expected here", args[0])
	}
	if err != nil {
		return c.Usage(err)
	}
	s := &server{c: c, verbose: o.Has("v"), slots: make(chan struct{}, maxClients)}
	if home := o.Value("h", ""); home != "" {
		s.home = c.Path(home)
		if info, err := os.Stat(s.home); err != nil || !info.IsDir() {
			return c.Problem(home, errors.Join(err, errors.New("not a directory")))
		}
	}
	for _, home := range homes {
		if info, err := os.Stat(home); s.home == "" && err == nil && info.IsDir() {
			s.home = home
		}
	}
	listeners, err := s.listen(o)
	if err != nil {
		return c.Errorf("%s", command.Reason(err))
	}
	return s.serve(ctx, listeners)
}

func (s *server) listen(o command.Options) ([]socket.Listener, error) {
	if !o.Has("p") {
		if handed := socket.Inherited(s.c.Env); len(handed) > 0 {
			return handed, nil
		}
	}
	host, text := "", o.Value("p", "80")
	if i := strings.LastIndexByte(text, ':'); i >= 0 {
		host, text = strings.Trim(text[:i], "[]"), text[i+1:]
	}
	port, err := parsePort(text)
	if err != nil {
		return nil, err
	}
	l, err := listen(s.c, host, port)
	if err != nil {
		return nil, fmt.Errorf("port %d: %s", port, command.Reason(err))
	}
	return []socket.Listener{l}, nil
}

// serve accepts until the listeners are closed, which the context's end does.
func (s *server) serve(ctx context.Context, listeners []socket.Listener) int {
	done := make(chan error, len(listeners))
	for _, l := range listeners {
		stop := context.AfterFunc(ctx, func() { _ = l.Close() }) // accepting ends
		defer stop()
		go func() { done <- s.accept(l) }()
	}
	var failure error
	for range listeners {
		if err := <-done; err != nil && ctx.Err() == nil {
			failure = err
		}
	}
	if failure != nil {
		return s.c.Errorf("accept: %s", command.Reason(failure))
	}
	return 0
}

func (s *server) accept(l socket.Listener) error {
	for {
		s.slots <- struct{}{}
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer func() { <-s.slots }()
			defer conn.Close()
			s.connection(conn)
		}()
	}
}

// connection answers requests until the client goes, or has been quiet for too long.
func (s *server) connection(conn socket.Conn) {
	in, out := bufio.NewReaderSize(conn, 4096), bufio.NewWriterSize(&patient{conn}, 4096)
	for {
		if conn.SetDeadline(time.Now().Add(idleTimeout)) != nil {
			return
		}
		r, err := readRequest(in)
		if errors.Is(err, errClosed) {
			return
		}
		status, keep := s.answer(out, r, err)
		if s.verbose {
			fmt.Fprintf(s.c.Stderr, "%s %s %s %d\n", remoteOf(conn.Remote()), r.method, r.target, status)
		}
		if out.Flush() != nil || !keep {
			return
		}
	}
}

// patient renews the deadline with each part that is sent.
type patient struct{ conn socket.Conn }

func (p *patient) Write(b []byte) (n int, err error) {
	for len(b) > 0 {
		if err := p.conn.SetDeadline(time.Now().Add(sendTimeout)); err != nil {
			return n, err
		}
		k, err := p.conn.Write(b[:min(len(b), sendPart)])
		n, b = n+k, b[k:]
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// answer writes the answer to a request, and says whether another may follow.
func (s *server) answer(w *bufio.Writer, r request, err error) (status int, keep bool) {
	var bad *badRequest
	switch {
	case errors.As(err, &bad):
		s.say(w, r, bad.status, bad.Error(), false)
		return bad.status, false
	case r.method != "GET" && r.method != "HEAD":
		s.say(w, r, 405, "only GET and HEAD are served here", false)
		return 405, false
	case s.home == "":
		return 200, s.say(w, r, 200, "It works: the toolbox of Wazelet serves here.", r.keep)
	}
	file, info, err := s.find(r.path)
	switch {
	case errors.Is(err, os.ErrPermission):
		return 403, s.say(w, r, 403, "forbidden", r.keep)
	case err != nil && r.path == "/":
		return 200, s.say(w, r, 200, "It works: there is no index.html here.", r.keep)
	case err != nil:
		return 404, s.say(w, r, 404, "not found", r.keep)
	}
	defer file.Close()
	return 200, s.send(w, r, file, info)
}

// find opens the file that a path means; a directory means its index.html.
func (s *server) find(name string) (*os.File, os.FileInfo, error) {
	file := filepath.Join(s.home, filepath.FromSlash(path.Clean("/"+name)))
	info, err := os.Stat(file)
	if err == nil && info.IsDir() {
		file = filepath.Join(file, "index.html")
		info, err = os.Stat(file)
	}
	if err == nil && !info.Mode().IsRegular() {
		err = os.ErrPermission
	}
	if err != nil {
		return nil, nil, err
	}
	f, err := os.Open(file)
	return f, info, err
}

// types are the content types by the end of a name; what is not here is bytes.
var types = map[string]string{
	".html": "text/html; charset=utf-8", ".htm": "text/html; charset=utf-8", ".txt": "text/plain; charset=utf-8",
	".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".json": "application/json",
	".xml": "text/xml", ".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg", ".gif": "image/gif",
	".ico": "image/x-icon", ".wasm": "application/wasm", ".pdf": "application/pdf", ".md": "text/plain; charset=utf-8",
}

// phrases are the reasons of the answers given here.
var phrases = map[int]string{
	200: "OK", 400: "Bad Request", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
	413: "Content Too Large", 414: "URI Too Long", 431: "Request Header Fields Too Large", 501: "Not Implemented",
	505: "HTTP Version Not Supported",
}

func head(w *bufio.Writer, r request, status int, kind string, length int64, keep bool) {
	connection := "close"
	if keep {
		connection = "keep-alive"
	}
	version := "1.1"
	if r.old {
		version = "1.0"
	}
	fmt.Fprintf(w, "HTTP/%s %d %s\r\nDate: %s\r\nServer: wazelet-toolbox\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: %s\r\n\r\n",
		version, status, phrases[status], time.Now().UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT"), kind, length, connection)
}

// say answers with a sentence.
func (s *server) say(w *bufio.Writer, r request, status int, text string, keep bool) bool {
	text += "\n"
	head(w, r, status, "text/plain; charset=utf-8", int64(len(text)), keep)
	if r.method != "HEAD" {
		_, _ = w.WriteString(text) // the writer keeps the error for Flush
	}
	return keep
}

// send answers with a file. One that shrinks meanwhile ends the connection: its length was said.
func (s *server) send(w *bufio.Writer, r request, file *os.File, info os.FileInfo) bool {
	kind := types[strings.ToLower(path.Ext(info.Name()))]
	if kind == "" {
		kind = "application/octet-stream"
	}
	head(w, r, 200, kind, info.Size(), r.keep)
	if r.method == "HEAD" {
		return r.keep
	}
	_, err := io.CopyN(w, file, info.Size())
	return r.keep && err == nil
}

// remoteOf is for logs: an address without the IPv6 dress of IPv4.
func remoteOf(addr netip.AddrPort) string {
	return netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port()).String()
}
