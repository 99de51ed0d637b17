// SPDX-License-Identifier: Apache-2.0

package wagi

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// What a guest is told of its server, as WAGI does.
const (
	gateway  = "CGI/1.1"
	software = "WAGI/1"
	route    = "/..." // one module serves every path
)

// arguments are the path and the words of the query.
func (q *request) arguments() []string {
	args := []string{q.path}
	if q.query != "" {
		args = append(args, strings.Split(q.query, "&")...)
	}
	return args
}

// environment is the container's with the request's variables in it (RFC 3875,
// section 4.1). SCRIPT_NAME is empty: the module serves the root.
func (q *request) environment(container []string, local, remote netip.AddrPort) []string {
	protocol := "HTTP/1.1"
	if q.old {
		protocol = "HTTP/1.0"
	}
	target := q.rawPath
	if q.query != "" {
		target += "?" + q.query
	}
	host := q.host
	if host == "" {
		host = local.String()
	}
	env := variables{slices.Clone(container)}
	env.set("AUTH_TYPE", "")
	env.set("GATEWAY_INTERFACE", gateway)
	env.set("PATH_INFO", q.path)
	env.set("PATH_TRANSLATED", q.path)
	env.set("QUERY_STRING", q.query)
	env.set("REMOTE_ADDR", remote.Addr().String())
	env.set("REMOTE_HOST", remote.Addr().String())
	env.set("REMOTE_PORT", strconv.Itoa(int(remote.Port())))
	env.set("REMOTE_USER", "")
	env.set("REQUEST_METHOD", q.method)
	env.set("SCRIPT_NAME", "")
	env.set("SERVER_NAME", hostOf(host))
	env.set("SERVER_PORT", strconv.Itoa(int(local.Port())))
	env.set("SERVER_PROTOCOL", protocol)
	env.set("SERVER_SOFTWARE", software)
	env.set("X_FULL_URL", "http://"+host+target)
	env.set("X_MATCHED_ROUTE", route)
	env.set("X_RAW_PATH_INFO", q.rawPath)
	env.unset("CONTENT_LENGTH")
	if len(q.values("content-length")) > 0 {
		env.set("CONTENT_LENGTH", strconv.FormatInt(q.length, 10))
	}
	env.set("CONTENT_TYPE", q.joined("content-type"))
	env.set("HTTP_HOST", host)
	for _, f := range q.fields {
		if name, ok := variable(f.name); ok {
			env.set(name, q.joined(f.name))
		}
	}
	return env.list
}

// variable is the name a field goes by. Left out are credentials and what is
// the connection's own (RFC 3875, section 4.1.18), what has a variable of its
// own, names with an underscore, which could pass for others, and Proxy, which
// programs would take for the proxy they are to use (CVE-2016-5386).
func variable(name string) (string, bool) {
	switch strings.ToLower(name) {
	case "authorization", "proxy-authorization", "connection", "keep-alive", "te", "trailer",
		"transfer-encoding", "upgrade", "expect", "content-length", "content-type", "host", "proxy":
		return "", false
	}
	if strings.Contains(name, "_") {
		return "", false
	}
	return "HTTP_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_")), true
}

// values are those of all fields of that name.
func (q *request) values(name string) []string {
	var values []string
	for _, f := range q.fields {
		if strings.EqualFold(f.name, name) {
			values = append(values, f.value)
		}
	}
	return values
}

// joined is the values of all fields of that name as one (RFC 9110, section
// 5.3; RFC 6265, section 5.4).
func (q *request) joined(name string) string {
	if strings.EqualFold(name, "cookie") {
		return strings.Join(q.values(name), "; ")
	}
	return strings.Join(q.values(name), ", ")
}

// hostOf is the host without its port.
func hostOf(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return strings.Trim(host, "[]")
}

// variables is an environment in the making; each name is in it once.
type variables struct{ list []string }

func (v *variables) set(name, value string) {
	v.unset(name)
	v.list = append(v.list, name+"="+value)
}

func (v *variables) unset(name string) {
	v.list = slices.DeleteFunc(v.list, func(kv string) bool {
		return len(kv) > len(name) && kv[len(name)] == '=' && kv[:len(name)] == name
	})
}
