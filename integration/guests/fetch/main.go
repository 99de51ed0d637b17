// SPDX-License-Identifier: Apache-2.0

// Command fetch makes HTTP requests by host functions, as programs for Krustlet did. Each
// argument is something to do, one after the other:
//
//	METHOD URL [BODY]  request it and print the status, the content type and the body; or "error N"
//	hold URL           request it by GET and leave the response open; print the status, or "error N"
//	pause              for ever
//	size FILE          print how many bytes a file has
//
// As a CGI program it answers with what the URL in the variable TARGET says.
package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// failure is an error of the interface, by its number.
type failure uint32

func (e failure) Error() string { return fmt.Sprintf("error %d", uint32(e)) }

// response is one that is open.
type response interface {
	header(name string) (string, error)
	body() (string, error)
	close()
}

// request makes a request. Only a guest can.
var request = func(method, url, body string) (status uint16, r response, err error) {
	return 0, nil, failure(12)
}

func main() {
	if os.Getenv("GATEWAY_INTERFACE") != "" {
		fmt.Printf("Content-Type: text/plain\n\n%s\n", fetch("GET", os.Getenv("TARGET"), ""))
		return
	}
	for _, arg := range os.Args[1:] {
		fmt.Println(do(strings.SplitN(arg, " ", 3)))
	}
}

func do(words []string) string {
	words = append(words, "", "")
	switch words[0] {
	case "pause":
		for {
			time.Sleep(time.Hour)
		}
	case "size":
		info, err := os.Stat(words[1])
		if err != nil {
			return err.Error()
		}
		return fmt.Sprint(info.Size())
	case "hold":
		status, _, err := request("GET", words[1], "")
		if err != nil {
			return err.Error()
		}
		return fmt.Sprint(status)
	}
	return fetch(words[0], words[1], words[2])
}

func fetch(method, url, body string) string {
	status, r, err := request(method, url, body)
	if err != nil {
		return err.Error()
	}
	defer r.close()
	kind, err := r.header("Content-Type")
	if err != nil {
		return err.Error()
	}
	text, err := r.body()
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%d %s %s", status, kind, strings.TrimSpace(text))
}
