// SPDX-License-Identifier: Apache-2.0

package image

import "github.com/wazelet/wazelet/toolbox"

// toolboxPath is where an image has the program; its commands are links to it.
const toolboxPath = "/bin/toolbox.wasm"

// Toolbox are the files of an image that has the toolbox: the program, a link for each command, the
// users and groups that images usually have, and /tmp. The error is toolbox.Module's.
func Toolbox() ([]File, error) {
	module, err := toolbox.Module()
	if err != nil {
		return nil, err
	}
	files := []File{
		{Path: "/bin/"}, {Path: "/etc/"}, {Path: "/root/", Mode: 0o700}, {Path: "/tmp/", Mode: 0o777},
		{Path: "/usr/"}, {Path: "/usr/bin", Link: "../bin"}, {Path: "/usr/sbin", Link: "../bin"}, {Path: "/sbin", Link: "bin"},
		{Path: "/etc/passwd", Content: []byte("root:x:0:0:root:/root:/bin/sh\n" +
			"www-data:x:33:33:www-data:/var/www:/bin/false\nnobody:x:65534:65534:nobody:/home:/bin/false\n")},
		{Path: "/etc/group", Content: []byte("root:x:0:\nwww-data:x:33:\nusers:x:100:\nnogroup:x:65534:\n")},
		{Path: toolboxPath, Content: module, Mode: 0o755},
	}
	for _, name := range toolbox.Names() {
		files = append(files, File{Path: "/bin/" + name, Link: "toolbox.wasm"})
	}
	return files, nil
}

// ToolboxConfig is what such an image says: a shell, unless something else is asked for.
func ToolboxConfig() Config {
	return Config{Cmd: []string{"sh"}, Env: []string{"PATH=/bin", "HOME=/root"}, WorkingDir: "/"}
}
