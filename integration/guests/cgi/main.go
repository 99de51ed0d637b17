// SPDX-License-Identifier: Apache-2.0

// Command cgi answers one request, as a program behind a web server does: the
// request is in its environment and on stdin, the answer goes to stdout.
//
//	/             greets
//	/env          its arguments and environment
//	/echo         the request's body
//	/count        how long that is
//	/big?n=       n bytes
//	/slow?d=      answers after a duration
//	/stream?d=    a line at once, another after a duration
//	/status?s=    with that status
//	/exit?n=      ends with a code, before it answers
//	/half?n=      ends with a code in the middle of its answer
//	/raw?s=       prints just that
//	/spin         computes, and makes no call of the host
package main

import (
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

var query url.Values

func main() {
	query, _ = url.ParseQuery(os.Getenv("QUERY_STRING"))
	handler, ok := map[string]func(){
		"/":      func() { answer("hello from %s\n", os.Getenv("SERVER_NAME")) },
		"/env":   env,
		"/echo":  echo,
		"/count": count,
		"/big":   big,
		"/slow":  func() { pause(); answer("at last\n") },
		"/stream": func() {
			answer("first\n")
			pause()
			fmt.Println("second")
		},
		"/status": func() { fmt.Printf("Status: %s\n\n", query.Get("s")) },
		"/exit":   func() { fmt.Fprintln(os.Stderr, "giving up"); os.Exit(number()) },
		"/half":   func() { answer("half of it"); os.Exit(number()) },
		"/raw":    func() { fmt.Print(query.Get("s")) },
		"/spin":   spin,
	}[os.Getenv("PATH_INFO")]
	if !ok {
		fmt.Print("Status: 404 Not Found\nContent-Type: text/plain\n\nnothing here\n")
		return
	}
	handler()
}

func answer(format string, args ...any) {
	fmt.Printf("Content-Type: text/plain\n\n"+format, args...)
}

func env() {
	answer("%s\n", strings.Join(append(os.Args, os.Environ()...), "\n"))
}

func echo() {
	fmt.Printf("Content-Type: %s\n\n", os.Getenv("CONTENT_TYPE"))
	if _, err := io.Copy(os.Stdout, os.Stdin); err != nil {
		panic(err)
	}
}

func count() {
	n, err := io.Copy(io.Discard, os.Stdin)
	answer("%d %v\n", n, err)
}

func big() {
	n := number()
	fmt.Printf("Content-Type: application/octet-stream\nContent-Length: %d\n\n", n)
	piece := []byte(strings.Repeat("0123456789abcdef", 4096))
	for n > 0 {
		m, err := os.Stdout.Write(piece[:min(n, len(piece))])
		if err != nil {
			panic(err)
		}
		n -= m
	}
}

func pause() {
	d, err := time.ParseDuration(query.Get("d"))
	if err != nil {
		panic(err)
	}
	time.Sleep(d)
}

func number() int {
	n, err := strconv.Atoi(query.Get("n"))
	if err != nil {
		panic(err)
	}
	return n
}

func spin() {
	for i := 0; ; i++ {
		if i < 0 {
			i = 0
		}
	}
}
