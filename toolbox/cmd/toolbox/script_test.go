// SPDX-License-Identifier: Apache-2.0

package main

import "testing"

// scripts are what people write, and what comes of it: output, then the exit code. Each runs in an
// empty directory.
var scripts = []struct{ name, script, want string }{
	{"pipeline", `seq 5 | grep -v 3 | tr '\n' ' ' | wc -w`, "4\n"},
	{"files", `mkdir -p a/b; echo hi >a/b/f; cp -r a c; mv c/b/f c/g; cat c/g; rm -r a; ls -1; ls c`, "hi\nc\nb\ng\n"},
	{"append", `echo a >f; echo b >>f; cat f; wc -l <f`, "a\nb\n2\n"},
	{"links", `echo x >f; ln -s f l; cat l; readlink l; ln f h; echo y >h; cat f; [ f -ef h ] && echo same; rm l; ls -A`, "x\nf\ny\nsame\nf\nh\n"},
	{"touch", `touch -d '2020-01-02 03:04:05' f; TZ=UTC stat -c '%s %F' f; touch -c none; ls`, "0 regular file\nf\n"},
	{"names", `basename /a/b.txt .txt; dirname /a/b; dirname a; dirname /; basename /`, "b\n/a\n.\n/\n/\n"},
	{"rmdir", `mkdir -p a/b/c; rmdir -p a/b/c; ls; touch f; rmdir f 2>/dev/null || echo no; rm -f nothing; rm nothing 2>/dev/null || echo no`, "no\nno\n"},
	{"rm refuses", `rm -rf / 2>/dev/null || echo root; rm -rf . 2>/dev/null || echo here`, "root\nhere\n"},
	{"find", `mkdir -p d/e; touch d/x.txt d/e/y.txt d/e/z; find d -name '*.txt' | sort; find d -maxdepth 1 -type f; find d -type d -not -name e`, "d/e/y.txt\nd/x.txt\nd/x.txt\nd\n"},
	{"find exec", `touch a b; find . -type f -exec echo got {} \; | sort; find . -type f -name 'a' -delete; ls; find . -name b -print0 | xargs -0 echo`, "got ./a\ngot ./b\nb\n./b\n"},
	{"find or", `touch a b c; find . \( -name a -o -name b \) -print | sort; find . -type f ! -name a | sort; find . -nonsense 2>&1`, "./a\n./b\n./b\n./c\nfind: -nonsense: unknown, or its argument is missing\n"},
	{"find plus", `touch a b; find . -type f -exec echo {} + | wc -l`, "1\n"},
	{"du", `mkdir d; head -c 2048 /dev/zero >d/f; du d; du -s -b d; du -a d | sort`, "2\td\n2048\td\n2\td\n2\td/f\n"},
	{"head and tail", `seq 10 >f; head -n 2 f; head -3 f | tail -n 1; tail -2 f; tail -n +9 f; head -c 3 f; tail -c 3 f; head -n -8 f`, "1\n2\n3\n9\n10\n9\n10\n1\n210\n1\n2\n"},
	{"head leaves the rest", `seq 4 | { head -n 1; cat; }`, "1\n2\n3\n4\n"},
	{"titles", `echo a >a; echo b >b; head a b`, "==> a <==\na\n\n==> b <==\nb\n"},
	{"sort", `printf 'b 2\na 10\nc 1\n' | sort; printf 'b 2\na 10\nc 1\n' | sort -k2n; printf '3\n1\n3\n' | sort -nru; printf 'a:2\nb:1\n' | sort -t: -k2`, "a 10\nb 2\nc 1\nc 1\nb 2\na 10\n3\n1\nb:1\na:2\n"},
	{"uniq", `printf 'a\na\nb\n' | uniq -c; printf 'a\na\nb\n' | uniq -d; printf 'a\na\nb\n' | uniq -u`, "      2 a\n      1 b\na\nb\n"},
	{"cut", `echo a:b:c:d | cut -d: -f2,4; echo a:b:c | cut -d: -f2-; echo abcdef | cut -c2-4; echo none | cut -d: -f2; echo none | cut -s -d: -f2`, "b:d\nb:c\nbcd\nnone\n"},
	{"tr", `echo Hello | tr a-z A-Z; echo aabbc | tr -s ab; echo a1b2 | tr -d '[:digit:]'; echo 'a b' | tr -c 'a-z\n' _`, "HELLO\nabc\nab\na_b\n"},
	{"grep", `printf 'one\nTwo\nthree\n' >f; grep -i two f; grep -n e f; grep -c e f; grep -v e f; grep -o 'e*' f; grep -E 'o(n|x)e' f; grep -F . f || echo none; grep -w on f || echo no; grep -l one f; grep -q one f && echo yes`,
		"Two\n1:one\n3:three\n2\nTwo\ne\nee\none\nnone\nno\nf\nyes\n"},
	{"grep basic", `printf 'a+b\na{2}\naa\n' >f; grep 'a+b' f; grep 'a\{2\}' f; grep '^a*$' f; grep -e '+b' -e '^aa' f; grep '[[:punct:]]' f | wc -l`, "a+b\naa\naa\na+b\naa\n2\n"},
	{"grep context", `seq 9 | grep -A1 -B1 5; seq 9 | grep -m2 '[2468]'`, "4\n5\n6\n2\n4\n"},
	{"grep -r", `mkdir d; echo x >d/f; echo y >g; grep -r x . ; grep -r x d; grep nothing g nofile; echo $?`, "d/f:x\nd/f:x\n2\n"},
	{"sed", `echo hello | sed 's/l/L/'; echo hello | sed 's/l/L/g;s/h\(.\)/\1h/'; seq 5 | sed -n 2,3p; seq 5 | sed 2d; seq 5 | sed -n '$p'; seq 3 | sed '/2/!d'`, "heLlo\nehLLo\n2\n3\n1\n3\n4\n5\n5\n2\n"},
	{"sed more", `echo a/b | sed 's|/|-|'; printf 'a\nb\n' >f; sed -i 's/a/x/' f; cat f; seq 3 | sed 2q; echo ab | sed -E 's/(a)(b)/\2&\1/'; seq 2 | sed '1a\
new'; seq 2 | sed '1i before'; echo x | sed y/x/y/; seq 3 | sed -n '2{p;p}'; echo aaa | sed s/a/b/2; echo A | sed s/a/b/I`,
		"a-b\nx\nb\n1\n2\nbaba\n1\nnew\n2\nbefore\n1\n2\ny\n2\n2\naba\nb\n"},
	{"sed spaces", `printf 'a\nb\n' | sed -n 'H;${x;s/\n/,/g;p}'; printf 'x' | sed s/x/y/; printf '1\n2\n3\n4\n' | sed -n '/2/,/3/p;$='`, ",a,b\ny2\n3\n4\n"},
	{"sed errors", `sed 's/a' </dev/null; echo $?; sed k </dev/null; echo $?`, "2\n2\n"},
	{"printf", `printf '%s-%d\n' a 1 b 2; printf '%5.2f|%-4s|%04d|%x|%o|%c|%%\n' 3.14159 ab 7 255 8 xyz; printf 'a\tb\n'; printf '%b' 'x\ny\n'; printf '%s' ; printf '%d\n' "'A"; printf '%*d\n' 4 2`,
		"a-1\nb-2\n 3.14|ab  |0007|ff|10|x|%\na\tb\nx\ny\n65\n   2\n"},
	{"echo", `echo -n a; echo b; echo -e 'a\tb\c' ; echo; echo -e '\0101\x42'; echo -x`, "ab\na\tb\nAB\n-x\n"},
	{"expr", `expr 1 + 2 \* 3; expr length abc; expr abc : 'a\(.\)'; expr 5 \> 10; expr \( 1 + 1 \) \* 2; expr 1 / 0; echo $?`, "7\n3\nb\n0\n4\n2\n"},
	{"seq", `seq 3; seq 2 4; seq 10 -5 0; seq -s, 3; seq -w 9 10; seq 1 0.5 2; seq 2 1`, "1\n2\n3\n2\n3\n4\n10\n5\n0\n1,2,3\n09\n10\n1.0\n1.5\n2.0\n"},
	{"test", `[ 1 -lt 2 ] && echo a; [ -z "" ] && echo b; test x = y || echo c; [ ! -e nofile ] && echo d; touch f; [ -f f -a ! -d f ] && echo e; [ \( a = a \) -o b = c ] && echo f; [ 1 -eq x ]; echo $?`, "a\nb\nc\nd\ne\nf\n2\n"},
	{"checksums", `echo hi | sha256sum; echo hi >f; sha1sum f; md5sum f >s; md5sum -c s; echo hi | cksum; echo bad >f; md5sum -c s; echo $?`,
		"98ea6e4f216f2fb4b69fff9b3a44842c38686ca685f3f55dc48c5d3fb1107be4  -\n55ca6286e3e4f4fba5d0448333fa99fc5a404a73  f\nf: OK\n1479881546 3\nf: FAILED\n1\n"},
	{"base64", `echo hello | base64; echo aGVsbG8K | base64 -d; head -c 60 /dev/zero | base64 | wc -l`, "aGVsbG8K\nhello\n2\n"},
	{"dumps", `echo ABC | hexdump -C; echo ABC | od -c -An; echo AB | od -tx1; echo AB | xxd`,
		"00000000  41 42 43 0a                                       |ABC.|\n00000004\n   A   B   C  \\n\n0000000 41 42 0a\n0000003\n00000000: 4142 0a                                  AB.\n"},
	{"diff", `seq 3 >a; seq 2 4 >b; diff a b; echo $?; diff a a; echo $?; cmp a b; echo $?; comm a b`,
		"--- a\n+++ b\n@@ -1,3 +1,3 @@\n-1\n 2\n 3\n+4\n1\n0\na b differ: byte 1, line 1\n1\n1\n\t\t2\n\t\t3\n\t4\n"},
	{"paste, rev, tac, nl", `seq 2 >a; seq 3 4 >b; paste a b; paste -s -d, a; echo abc | rev; seq 2 | tac; printf 'a\n\nb\n' | nl`, "1\t3\n2\t4\n1,2\ncba\n2\n1\n     1\ta\n       \n     2\tb\n"},
	{"tee", `echo x | tee a b; cat a b; echo y | tee -a a >/dev/null; cat a`, "x\nx\nx\nx\ny\n"},
	{"xargs", `echo a b c | xargs -n 2 echo; printf 'a b\nc\n' | xargs -I@ echo '<@>'; printf "'x y' z" | xargs -n1 echo; echo | xargs -r echo no; echo f | xargs false; echo $?`, "a b\nc\n<a b>\n<c>\nx y\nz\n123\n"},
	{"env", `env -i A=1 B=2 env; A=x env | grep ^A=; env -u HOME printenv HOME || echo unset; printenv HOME`, "A=1\nB=2\nA=x\nunset\n/home/someone\n"},
	{"date", `date -u -d @0 '+%Y-%m-%d %H:%M:%S %j %u'; date -u -d 2024-02-29 +%F; date -u -d '2020-01-02T03:04:05Z' +%s; date -d nonsense; echo $?`, "1970-01-01 00:00:00 001 4\n2024-02-29\n1577934245\n2\n"},
	{"dd", `printf abcdef | dd bs=2 skip=1 count=1 2>/dev/null; printf abc | dd of=f bs=1 2>/dev/null; printf X | dd of=f bs=1 seek=1 conv=notrunc 2>/dev/null; cat f; dd bs=0; echo $?`, "cdaXc2\n"},
	{"timeout", `timeout 5 echo in time; timeout 0.05 sleep 60; echo $?; timeout 5 false; echo $?`, "in time\n124\n1\n"},
	{"timeout of what writes", `timeout 0.05 yes >/dev/null; echo $?`, "124\n"},
	{"sigpipe", `yes | head -n 1; seq 1000000 | head -n 1`, "y\n1\n"},
	{"tar", `mkdir -p d/e; echo hi >d/e/f; ln -s e/f d/l; tar cf a.tar d; tar tf a.tar; mkdir o; tar xf a.tar -C o; cat o/d/l; tar czf a.tgz d; tar xzOf a.tgz d/e/f`, "d/\nd/e/\nd/e/f\nd/l\nhi\nhi\n"},
	{"tar as kubectl cp has it", `mkdir src dst; echo one >src/a; tar cf - src | tar xmf - -C dst; cat dst/src/a; tar cf - src/a | tar --no-same-permissions --no-same-owner -xmf - -C dst; tar cf - nothing >x 2>/dev/null; echo $?`, "one\n2\n"},
	{"tar strips and chooses", `mkdir d; echo 1 >d/a; echo 2 >d/b; tar cf t d; mkdir o; tar xf t -C o --strip-components=1 d/b; ls o; tar xf t none; echo $?; tar cf u --exclude b d; tar tf u`, "b\n2\nd/\nd/a\n"},
	{"gzip", `echo hi >f; gzip f; ls; gunzip f.gz; cat f; echo x | gzip -c | zcat; echo y | gzip | gzip -d; gzip -k f; ls; echo no >g; gunzip g; echo $?`, "f.gz\nhi\nx\ny\nf\nf.gz\n1\n"},
	{"mktemp", `f=$(mktemp -p . x.XXXXXX); [ -f "$f" ] && echo file; d=$(mktemp -d -p .); [ -d "$d" ] && echo dir`, "file\ndir\n"},
	{"truncate", `truncate -s 5 f; wc -c <f; truncate -s 1k f; stat -c %s f`, "5\n1024\n"},
	{"refusals", `chmod 600 f; echo $?; ping x; echo $?; vi f; echo $?`, "1\n1\n1\n"},
	{"which", `which ls nonesuch; echo $?; which sh`, "ls\n1\nsh\n"},
	{"uname", `uname; uname -m; nproc; arch`, "Wazelet\nwasm32\n1\nwasm32\n"},
	{"a script of its own", `printf '#!/bin/sh\necho "$0 $1"\n' >s; ./s a; sh s b; printf 'echo plain $1\n' >p; ./p c; printf '#!/usr/bin/python\n' >q; ./q; echo $?`, "./s a\ns b\nplain c\n126\n"},
	{"another module", `printf '\0asm\1\0\0\0' >m.wasm; ./m.wasm; echo $?; printf '\0asm' >echo; ./echo runs; ./none; echo $?; mkdir d; ./d; echo $?`, "126\nruns\n127\n126\n"},
}

func TestScripts(t *testing.T) {
	for _, s := range scripts {
		t.Run(s.name, func(t *testing.T) {
			dir := t.TempDir()
			got := call(t, dir, "", "sh", "-c", s.script)
			if out := got.stdout; out != s.want {
				t.Errorf("%s\ngave\n%s\nwant\n%s\nstandard error:\n%s", s.script, out, s.want, got.stderr)
			}
		})
	}
}
