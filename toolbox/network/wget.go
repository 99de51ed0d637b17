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
	posted  bool // the request has a body
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
		f.posted = o.Has("post-data")
		if err := f.get(ctx, url); err != nil {
			code = c.Errorf("%s", reason(err))
		}
	}
	return code
}

func (f *fetcher) get(ctx context.Context, url string) error {
	for range maxRedirects + 1 {
		a, err := parseURL(url)
		if err != nil {
			return err
		}
		next, err := f.once(ctx, a)
		if err != nil || next == "" {
			return err
		}
		url = follow(a, next)
	}
	return errors.New("redirected too often")
}

// once makes one request; next is where the answer sends.
func (f *fetcher) once(ctx context.Context, a address) (next string, err error) {
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
	r, err := readResponse(in)
	if f.o.Has("S") {
		for _, line := range r.lines {
			fmt.Fprintf(f.c.Stderr, "  %s\n", line)
		}
	}
	switch {
	case err != nil:
		return "", fmt.Errorf("%s: %s", hostOf(a), reason(err))
	case r.status >= 300 && r.status < 400 && r.fields["location"] != "":
		f.posted = f.posted && (r.status == 307 || r.status == 308)
		return r.fields["location"], nil
	case r.status >= 300:
		return "", fmt.Errorf("server returned error: %s", r.lines[0])
	case f.o.Has("spider"):
		return "", nil
	}
	body, err := bodyOf(in, r.fields)
	if err == nil {
		err = f.save(a, body)
	}
	return "", err
}

// reason tells a server that is slow from one that is lost.
func reason(err error) string {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return "no answer in time"
	}
	return command.Reason(err)
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
	if f.posted {
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
