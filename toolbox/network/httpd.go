// SPDX-License-Identifier: Apache-2.0

package network

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
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
// serves on the listeners it was handed, or on port 80. Without -h it serves the working directory
// where it was given -p or -f, as others do, and else, or as nginx, what it finds in one of homes.
func httpd(ctx context.Context, c *command.Call) int {
	o, args, err := c.Options("f v p: h: g: c: i u: r: t")
	if err == nil && len(args) > 0 {
		err = fmt.Errorf("%s: not expected here", args[0])
	}
	if err != nil {
		return c.Usage(err)
	}
	s := &server{c: c, verbose: o.Has("v"), slots: make(chan struct{}, maxClients)}
	if s.home, err = homeOf(c, o); err != nil {
		return c.Problem(o.Value("h", ""), err)
	}
	listeners, err := s.listen(o)
	if err != nil {
		return c.Errorf("%s", command.Reason(err))
	}
	return s.serve(ctx, listeners)
}

// homeOf is the directory to serve; empty where there is none.
func homeOf(c *command.Call, o command.Options) (string, error) {
	if home := o.Value("h", ""); home != "" {
		info, err := os.Stat(c.Path(home))
		if err == nil && !info.IsDir() {
			err = syscall.ENOTDIR
		}
		return c.Path(home), err
	}
	if c.Name != "nginx" && (o.Has("p") || o.Has("f")) {
		return c.Dir, nil
	}
	for _, home := range homes {
		if info, err := os.Stat(home); err == nil && info.IsDir() {
			return home, nil
		}
	}
	return "", nil
}

func (s *server) listen(o command.Options) ([]socket.Listener, error) {
	if !o.Has("p") {
		if handed := socket.Inherited(0); len(handed) > 0 {
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
	l, err := listen(host, port)
	if err != nil {
		return nil, fmt.Errorf("port %d: %s", port, command.Reason(err))
	}
	return []socket.Listener{l}, nil
}

// serve accepts until the context ends, and leaves nothing behind then.
func (s *server) serve(ctx context.Context, listeners []socket.Listener) int {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, len(listeners))
	for _, l := range listeners {
		context.AfterFunc(ctx, func() { _ = l.Close() }) // accepting ends
		go func() { done <- s.accept(ctx, l) }()
	}
	code := 0
	for range listeners {
		if err := <-done; err != nil {
			code = s.c.Errorf("accept: %s", command.Reason(err))
			cancel() // the others would hide that this one has gone
		}
	}
	for range cap(s.slots) { // when all are free, all connections have ended
		s.slots <- struct{}{}
	}
	return code
}

// retryPause is how long to wait for descriptors.
const retryPause = 100 * time.Millisecond

func (s *server) accept(ctx context.Context, l socket.Listener) error {
	for {
		select {
		case s.slots <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		conn, err := l.Accept()
		if err == nil {
			go func() {
				defer func() { <-s.slots }()
				s.connection(ctx, conn)
			}()
			continue
		}
		<-s.slots
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, syscall.ECONNABORTED): // it went before it was accepted
		case errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ENOMEM):
			command.Sleep(ctx, retryPause)
		default:
			return err
		}
	}
}

// connection answers requests until the client goes, or has been quiet for too long.
func (s *server) connection(ctx context.Context, conn socket.Conn) {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
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
			s.log("%s %s %s %d\n", remoteOf(conn.Remote()), cmp.Or(r.method, "-"), cmp.Or(r.target, "-"), status)
		}
		if out.Flush() != nil || !keep {
			return
		}
	}
}

// log writes to standard error. Where nobody reads that any more, serving goes on.
func (s *server) log(format string, args ...any) {
	command.Guard(func() int {
		fmt.Fprintf(s.c.Stderr, format, args...)
		return 0
	})
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

// page is what is served where there are no files.
const page = `<!DOCTYPE html>
<html><head><title>It works!</title></head>
<body><h1>It works!</h1><p>The toolbox of Wazelet serves here.</p></body></html>
`

// answer writes the answer to a request, and says whether another may follow.
func (s *server) answer(w *bufio.Writer, r request, err error) (status int, keep bool) {
	var bad *badRequest
	switch {
	case errors.As(err, &bad):
		r.keep = false
		return s.say(w, r, bad.status, bad.Error())
	case r.method != "GET" && r.method != "HEAD":
		r.keep = false
		return s.say(w, r, 405, "only GET and HEAD are served here", "Allow: GET, HEAD")
	case s.home == "" && (r.path == "/" || r.path == "/index.html"):
		return s.write(w, r, 200, types[".html"], page)
	}
	file, info, err := s.find(r.path)
	switch {
	case errors.Is(err, errDirectory):
		return s.say(w, r, 301, "it is a directory", "Location: "+escapePath(path.Clean(r.path))+"/"+r.query)
	case errors.Is(err, os.ErrPermission):
		return s.say(w, r, 403, "forbidden")
	case err != nil:
		return s.say(w, r, 404, "not found")
	}
	defer file.Close()
	return 200, s.send(w, r, file, info)
}

// errDirectory says that a path without a slash at its end leads to a directory: links of its page
// would lead elsewhere.
var errDirectory = errors.New("a directory")

// find opens the file that a path means; a directory means its index.html. No path leads out of the
// home but through links that lie there.
func (s *server) find(name string) (*os.File, os.FileInfo, error) {
	if s.home == "" {
		return nil, nil, os.ErrNotExist
	}
	file := filepath.Join(s.home, filepath.FromSlash(path.Clean("/"+name)))
	info, err := os.Stat(file)
	if err == nil && info.IsDir() {
		if !strings.HasSuffix(name, "/") {
			return nil, nil, errDirectory
		}
		file = filepath.Join(file, "index.html")
		info, err = os.Stat(file)
	} else if err == nil && strings.HasSuffix(name, "/") {
		err = os.ErrNotExist
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
	200: "OK", 301: "Moved Permanently", 400: "Bad Request", 403: "Forbidden", 404: "Not Found",
	405: "Method Not Allowed", 413: "Content Too Large", 414: "URI Too Long",
	431: "Request Header Fields Too Large", 501: "Not Implemented", 505: "HTTP Version Not Supported",
}

// head writes the head of an answer; more are further fields.
func head(w *bufio.Writer, r request, status int, kind string, length int64, more ...string) {
	connection, version := "close", "1.1"
	if r.keep {
		connection = "keep-alive"
	}
	if r.old {
		version = "1.0"
	}
	fmt.Fprintf(w, "HTTP/%s %d %s\r\nDate: %s\r\nServer: wazelet-toolbox\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: %s\r\n",
		version, status, phrases[status], time.Now().UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT"), kind, length, connection)
	for _, field := range more {
		fmt.Fprintf(w, "%s\r\n", field)
	}
	fmt.Fprint(w, "\r\n")
}

// say answers with a sentence.
func (s *server) say(w *bufio.Writer, r request, status int, text string, more ...string) (int, bool) {
	return s.write(w, r, status, types[".txt"], text+"\n", more...)
}

// write answers with a text.
func (s *server) write(w *bufio.Writer, r request, status int, kind, text string, more ...string) (int, bool) {
	head(w, r, status, kind, int64(len(text)), more...)
	if r.method != "HEAD" {
		_, _ = w.WriteString(text) // the writer keeps the error for Flush
	}
	return status, r.keep
}

// send answers with a file. One that shrinks meanwhile ends the connection: its length was said.
func (s *server) send(w *bufio.Writer, r request, file *os.File, info os.FileInfo) bool {
	kind := types[strings.ToLower(path.Ext(info.Name()))]
	if kind == "" {
		kind = "application/octet-stream"
	}
	head(w, r, 200, kind, info.Size())
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
