// SPDX-License-Identifier: Apache-2.0

// Guest is what the tests run as a plain Go program on the host: nothing in it knows of Wazelet.
//
//	guest files            use files, directories and links under /
//	guest copy             copy stdin to stdout
//	guest http FD          serve HTTP on the listener FD
//	guest timers           wait for many timers at once
//	guest sleep            sleep for an hour
//	guest exit N           end with that code
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch args[0] {
	case "files":
		return files()
	case "copy":
		_, err := io.Copy(os.Stdout, os.Stdin)
		return err
	case "http":
		return serve(args[1])
	case "timers":
		return timers()
	case "sleep":
		time.Sleep(time.Hour)
		return nil
	case "exit":
		code, err := strconv.Atoi(args[1])
		if err != nil {
			return err
		}
		os.Exit(code)
	}
	return fmt.Errorf("unknown command %q", args[0])
}

// serve is the shortest HTTP server there is on a listener handed in.
func serve(fd string) error {
	n, err := strconv.Atoi(fd)
	if err != nil {
		return err
	}
	ln, err := net.FileListener(os.NewFile(uintptr(n), "listener"))
	if err != nil {
		return err
	}
	http.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(w, r.Body); err != nil {
			panic(http.ErrAbortHandler)
		}
	})
	http.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(200 * time.Millisecond)
		fmt.Fprintln(w, "done")
	})
	return http.Serve(ln, nil)
}

// timers starts many timers and a ticker at once and waits for all of them.
func timers() error {
	done := make(chan time.Duration)
	start := time.Now()
	const n = 50
	for i := range n {
		time.AfterFunc(time.Duration(i)*time.Millisecond, func() { done <- time.Duration(i) * time.Millisecond })
	}
	for range n {
		if want := <-done; time.Since(start) < want {
			return fmt.Errorf("a timer of %v fired after %v", want, time.Since(start))
		}
	}
	fmt.Println("timers ok")
	return nil
}
