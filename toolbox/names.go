// SPDX-License-Identifier: Apache-2.0

package toolbox

// names are what the program lists itself (`toolbox --list`); a test holds them equal.
var names = []string{
	"[", "arch", "ash", "base64", "basename", "cat", "chgrp", "chmod", "chown", "cksum", "clear",
	"cmp", "comm", "cp", "cut", "date", "dd", "df", "diff", "dirname", "du", "echo", "egrep", "env",
	"expr", "false", "fgrep", "find", "free", "grep", "groups", "gunzip", "gzip", "head", "hexdump",
	"hostname", "httpd", "id", "ipcs", "kill", "ln", "ls", "md5sum", "mkdir", "mktemp", "mount", "mv",
	"nc", "netstat", "nginx", "nl", "nproc", "nslookup", "od", "paste", "pgrep", "ping", "printenv",
	"printf", "ps", "pwd", "readlink", "realpath", "rev", "rm", "rmdir", "sed", "seq", "sh", "sha1sum",
	"sha256sum", "sha512sum", "sleep", "sort", "stat", "sync", "tac", "tail", "tar", "tee", "test",
	"time", "timeout", "top", "touch", "tr", "true", "truncate", "tty", "uname", "uniq", "unlink",
	"uptime", "vi", "wc", "wget", "which", "whoami", "xargs", "xxd", "yes", "zcat",
}
