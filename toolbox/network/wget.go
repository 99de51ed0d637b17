// SPDX-License-Identifier: Apache-2.0

package network

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/wazelet/wazelet/toolbox/command"
	"github.com/wazelet/wazelet/toolbox/socket"
)

// maxRedirects bounds how often an answer may send elsewhere.
const maxRedirects = 10

// fetcher is one run of wget.
type fetcher struct {
	c       *command.Call
	o       command.Options
	timeout time.Duration
	verbose bool
}

// wget gets what URLs name: to -O FILE (- is standard output), or to a file of the URL's last name.
func wget(ctx context.Context, c *command.Call) int {
	o, urls, err := c.Options("q|quiet O:|output-document T:|timeout S|server-response header: post-data: spider " +
		"c t:|tries Y: U:|user-agent no-check-certificate P:|directory-prefix")
	if err == nil && len(urls) == 0 {
		err = errors.New("which URL?")
	}
	if err != nil {
		return c.Usage(err)
	}
	f := &fetcher{c: c, o: o, verbose: !o.Has("q")}
	if f.timeout, err = command.ParseDuration(o.Value("T", "900")); err != nil {
		return c.Usage(err)
	}
	code := 0
	for _, url := range urls {
		if err := f.get(ctx, url); err != nil {
			code = c.Errorf("%s", command.Reason(err))
		}
	}
	return code
}

func (f *fetcher) get(ctx context.Context, url string) error {
	for range maxRedirects {
		a, err := parseURL(url)
		if err != nil {
			return err
		}
		next, err := f.once(ctx, a, url)
		if err != nil || next == "" {
			return err
		}
		if strings.HasPrefix(next, "/") {
			next = fmt.Sprintf("http://%s%s", hostOf(a), next)
		}
		url = next
	}
	return errors.New("redirected too often")
}

// hostOf is the Host field.
func hostOf(a address) string {
	host := a.host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if a.port != 80 {
		host += ":" + strconv.Itoa(int(a.port))
	}
	return host
}

// once makes one request; next is where the answer sends.
func (f *fetcher) once(ctx context.Context, a address, url string) (next string, err error) {
	dialing, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	if f.verbose {
		fmt.Fprintf(f.c.Stderr, "Connecting to %s\n", hostOf(a))
	}
	conn, err := socket.DialAny(dialing, "tcp", a.host, a.port)
	if err != nil {
		return "", fmt.Errorf("can't connect to %s: %s", hostOf(a), command.Reason(err))
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	live := &patientReader{conn, f.timeout}
	if err := f.ask(&patient{conn}, a); err != nil {
		return "", err
	}
	in := bufio.NewReader(live)
	status, fields, err := f.readHead(in)
	switch {
	case err != nil:
		return "", fmt.Errorf("%s: %s", url, command.Reason(err))
	case status >= 300 && status < 400 && fields["location"] != "":
		return fields["location"], nil
	case status < 200 || status >= 300:
		return "", fmt.Errorf("%s: server returned error: HTTP/1.1 %d", url, status)
	case f.o.Has("spider"):
		return "", nil
	}
	return "", f.save(a, bodyOf(in, fields))
}

// patientReader renews the deadline with each part that arrives.
type patientReader struct {
	conn    socket.Conn
	timeout time.Duration
}

func (p *patientReader) Read(b []byte) (int, error) {
	if err := p.conn.SetDeadline(time.Now().Add(p.timeout)); err != nil {
		return 0, err
	}
	return p.conn.Read(b)
}

func (f *fetcher) ask(w io.Writer, a address) error {
	method, body := "GET", ""
	if f.o.Has("spider") {
		method = "HEAD"
	}
	if f.o.Has("post-data") {
		method, body = "POST", f.o.Value("post-data", "")
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\nAccept: */*\r\nConnection: close\r\n",
		method, a.target, hostOf(a), f.o.Value("U", "wazelet-toolbox"))
	for _, field := range f.o["header"] {
		if strings.ContainsAny(field, "\r\n") {
			return errors.New("--header: a field is one line")
		}
		fmt.Fprintf(&b, "%s\r\n", field)
	}
	if method == "POST" {
		fmt.Fprintf(&b, "Content-Length: %d\r\nContent-Type: application/x-www-form-urlencoded\r\n", len(body))
	}
	_, err := io.WriteString(w, b.String()+"\r\n"+body)
	return err
}

func (f *fetcher) readHead(in *bufio.Reader) (status int, fields map[string]string, err error) {
	for status < 200 { // 100 Continue and its like come before the answer
		line, err := headLine(in, maxTarget)
		if err != nil {
			return 0, nil, fmt.Errorf("no answer: %w", err)
		}
		rest, ok := strings.CutPrefix(line, "HTTP/1.")
		if !ok || len(rest) < 5 {
			return 0, nil, errors.New("the answer is not HTTP")
		}
		if status, err = strconv.Atoi(rest[2:5]); err != nil || status < 100 || status > 599 {
			return 0, nil, errors.New("the answer is not HTTP")
		}
		if fields, err = readFields(in); err != nil {
			return 0, nil, fmt.Errorf("the answer's header: %w", err)
		}
		if f.o.Has("S") {
			fmt.Fprintf(f.c.Stderr, "  %s\n", line)
		}
	}
	return status, fields, nil
}

// bodyOf is the content of an answer: in chunks, of a length, or up to the end.
func bodyOf(in *bufio.Reader, fields map[string]string) io.Reader {
	if strings.EqualFold(fields["transfer-encoding"], "chunked") {
		return &chunks{in: in}
	}
	if text, given := fields["content-length"]; given {
		if n, err := strconv.ParseInt(text, 10, 63); err == nil && n >= 0 {
			return &exactly{in, n}
		}
	}
	return in
}

// exactly reads a number of bytes; fewer are an error.
type exactly struct {
	in   io.Reader
	left int64
}

func (e *exactly) Read(b []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n, err := e.in.Read(b[:min(int64(len(b)), e.left)])
	e.left -= int64(n)
	if errors.Is(err, io.EOF) && e.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// chunks reads the chunked coding.
type chunks struct {
	in   *bufio.Reader
	left uint64
	some bool
	end  bool
}

func (c *chunks) Read(b []byte) (int, error) {
	for c.left == 0 {
		if c.end {
			return 0, io.EOF
		}
		if err := c.next(); err != nil {
			return 0, err
		}
	}
	n, err := c.in.Read(b[:min(uint64(len(b)), c.left)])
	c.left -= uint64(n)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// next reads the size of the next chunk.
func (c *chunks) next() error {
	if c.some {
		if line, err := headLine(c.in, 2); err != nil || line != "" {
			return errors.New("a chunk does not end where it should")
		}
	}
	c.some = true
	line, err := headLine(c.in, 256)
	if err != nil {
		return io.ErrUnexpectedEOF
	}
	size, _, _ := strings.Cut(line, ";")
	if c.left, err = strconv.ParseUint(strings.TrimSpace(size), 16, 62); err != nil {
		return errors.New("a chunk without a size")
	}
	c.end = c.left == 0 // what may follow it nobody wants
	return nil
}

func (f *fetcher) save(a address, body io.Reader) (err error) {
	name := f.o.Value("O", "")
	if name == "-" {
		_, err := io.Copy(f.c.Stdout, body)
		return err
	}
	if name == "" {
		target, _, _ := strings.Cut(a.target, "?")
		if name = path.Base(target); name == "/" || name == "." {
			name = "index.html"
		}
		name = path.Join(f.o.Value("P", ""), name)
	}
	file, err := os.Create(f.c.Path(name))
	if err != nil {
		return fmt.Errorf("%s: %s", name, command.Reason(err))
	}
	n, err := io.Copy(file, body)
	if f.verbose && err == nil {
		fmt.Fprintf(f.c.Stderr, "'%s' saved, %d bytes\n", name, n)
	}
	return errors.Join(err, file.Close())
}
