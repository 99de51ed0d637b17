// SPDX-License-Identifier: Apache-2.0

package critest

import (
	"io/fs"
	"maps"
	goruntime "runtime"
	"slices"

	"github.com/wazelet/wazelet/integration/lab/image"
	"github.com/wazelet/wazelet/toolbox"
)

// users are the files that have the users and groups which the suite names.
func users() []image.File {
	return []image.File{
		{Path: "/etc/"}, {Path: "/tmp/", Mode: 0o777}, {Path: "/var/"}, {Path: "/var/run/"}, {Path: "/root/"},
		{Path: "/etc/passwd", Content: []byte("root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33:www-data:/var/www:/bin/false\n" +
			"default-user:x:1000:1000:Linux User,,,:/home/default-user:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n")},
		{Path: "/etc/group", Content: []byte("root:x:0:\nwww-data:x:33:\nusers:x:100:\ndefault-user:x:1000:\n" +
			"group-defined-in-image:x:50000:default-user\nnogroup:x:65534:\n")},
	}
}

// Wasm has the toolbox in busybox's place, under the name of each of its commands, and
// its web server in that of the others.
func Wasm() (Kind, error) {
	module, err := toolbox.Module()
	if err != nil {
		return Kind{}, err
	}
	files := append(users(),
		image.File{Path: "/bin/"}, image.File{Path: "/bin/toolbox", Content: module, Mode: 0o755},
		image.File{Path: "/www/"}, image.File{Path: "/www/index.html", Content: []byte("<p>served by the toolbox</p>\n")})
	for _, name := range toolbox.Names() {
		files = append(files, image.File{Path: "/bin/" + name, HardLink: "/bin/" + toolbox.Name})
	}
	return Kind{
		Path:  "/bin",
		Files: files,
		Server: func(port string) []string {
			return []string{"sh", "-c", "echo httpd: master process begins; exec httpd -f -p " + port + " -h /www"}
		},
		Escalate: []string{"sh", "-c", "echo Effective uid: $(id -u)"},
	}, nil
}

// nginx is what a Native image has in nginx's place: a program of that name, which
// writes its process id where the suite reads it, and ends when it is told to.
const nginx = `#!/bin/sh
echo "httpd begins on port $1"
echo $$ >/var/run/nginx.pid
trap 'kill $server; exit 0' TERM
httpd -f -p "$1" -h /www &
server=$!
wait $server
`

// What the suite runs and Debian's busybox has not: by name, a script that does as much.
var scripts = map[string]string{
	"nginx": nginx,
	"ipcs":  "#!/bin/sh\nexec cat /proc/sysvipc/shm\n",
	"pgrep": "#!/bin/sh\nexec pidof \"$1\"\n",
}

// Native has a static busybox, and a program euid that tells its effective user and
// has the set-user-ID bit. commands are busybox's.
func Native(busybox, euid []byte, commands []string) Kind {
	files := append(users(),
		image.File{Path: "/dev/"}, image.File{Path: "/proc/"}, image.File{Path: "/sys/"},
		image.File{Path: "/bin/"}, image.File{Path: "/bin/busybox", Content: busybox, Mode: 0o755},
		image.File{Path: "/bin/euid", Content: euid, Mode: 0o755 | fs.ModeSetuid},
		image.File{Path: "/www/"}, image.File{Path: "/www/index.html", Content: []byte("<p>served by busybox</p>\n")})
	for _, name := range slices.Sorted(maps.Keys(scripts)) {
		files = append(files, image.File{Path: "/bin/" + name, Content: []byte(scripts[name]), Mode: 0o755})
	}
	for _, name := range commands {
		if _, ours := scripts[name]; !ours && name != "busybox" {
			files = append(files, image.File{Path: "/bin/" + name, HardLink: "/bin/busybox", Mode: 0o755})
		}
	}
	return Kind{
		Platform: "linux/" + goruntime.GOARCH,
		Path:     "/bin",
		Files:    files,
		Server:   func(port string) []string { return []string{"/bin/nginx", port, "master process"} },
		Escalate: []string{"/bin/euid"},
	}
}
