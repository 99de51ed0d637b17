// SPDX-License-Identifier: Apache-2.0

// Command web is an ordinary Go web server on the sockets it is handed: nothing
// in it knows of Wasm but where the sockets begin.
//
//	/         greets
//	/slow?d=  answers after a duration
//	/burn?d=  computes for a duration, then answers
//	/stream?n=&d=  writes n lines, one per duration
//	/exit?code=    ends the program without an answer
//	/fetch?url=    answers what another server does
//
// Built as a native program it listens itself, on PORT or 8080.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	goruntime "runtime"
	"strconv"
	"strings"
	"time"
)

// firstSocket follows stdio and the root directory.
const firstSocket = 4

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "hello from %s\n", r.URL.Path) })
	http.HandleFunc("/slow", slow)
	http.HandleFunc("/burn", burn)
	http.HandleFunc("/stream", stream)
	http.HandleFunc("/exit", exit)
	http.HandleFunc("/fetch", fetch)
	if goruntime.GOOS != "wasip1" {
		serveNative()
	}
	count, err := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	if err != nil || count < 1 {
		fatal("no sockets: LISTEN_FDS=%q", os.Getenv("LISTEN_FDS"))
	}
	names := strings.Split(os.Getenv("LISTEN_FDNAMES"), ":")
	failed := make(chan error)
	for i := range count {
		listener, err := net.FileListener(os.NewFile(uintptr(firstSocket+i), names[i]))
		if err != nil {
			fatal("socket %s: %v", names[i], err)
		}
		go func() { failed <- http.Serve(listener, nil) }()
	}
	fmt.Printf("serving on %q\n", names)
	fatal("serve: %v", <-failed)
}

func fatal(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	os.Exit(1)
}

// serveNative serves as a native program does.
func serveNative() {
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	fmt.Printf("serving on :%s\n", port)
	fatal("serve: %v", http.ListenAndServe(":"+port, nil))
}

func fetch(w http.ResponseWriter, r *http.Request) {
	response, err := http.Get(r.FormValue("url"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer response.Body.Close()
	w.WriteHeader(response.StatusCode)
	_, _ = io.Copy(w, response.Body) // the client sees that it is cut off
}

func slow(w http.ResponseWriter, r *http.Request) {
	pause(r)
	fmt.Fprintln(w, "at last")
}

func burn(w http.ResponseWriter, r *http.Request) {
	for start := time.Now(); time.Since(start) < duration(r); {
	}
	fmt.Fprintln(w, "warm")
}

func stream(w http.ResponseWriter, r *http.Request) {
	lines, _ := strconv.Atoi(r.FormValue("n"))
	for i := range lines {
		fmt.Fprintf(w, "line %d\n", i)
		w.(http.Flusher).Flush()
		pause(r)
	}
}

func exit(_ http.ResponseWriter, r *http.Request) {
	code, _ := strconv.Atoi(r.FormValue("code"))
	os.Exit(code)
}

func pause(r *http.Request) { time.Sleep(duration(r)) }

func duration(r *http.Request) time.Duration {
	d, err := time.ParseDuration(r.FormValue("d"))
	if err != nil {
		return time.Second
	}
	return d
}
