// SPDX-License-Identifier: Apache-2.0

package shell_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/wazelet/wazelet/toolbox/command"
	"github.com/wazelet/wazelet/toolbox/condition"
	"github.com/wazelet/wazelet/toolbox/files"
	"github.com/wazelet/wazelet/toolbox/shell"
	"github.com/wazelet/wazelet/toolbox/system"
	"github.com/wazelet/wazelet/toolbox/text"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newCall(dir string, stdin io.Reader, stdout, stderr io.Writer) *command.Call {
	t := command.NewTable(shell.Commands(), condition.Commands(), text.Commands(), files.Commands(), system.Commands())
	return &command.Call{
		Name: "sh", Dir: dir, Env: []string{"PATH=/nowhere", "HOME=/home/x", "GIVEN=from outside"},
		Stdin: stdin, Stdout: stdout, Stderr: stderr, Table: t,
	}
}

// run runs sh with arguments.
func run(dir, stdin string, args ...string) (stdout, stderr string, code int) {
	var out, errs bytes.Buffer
	c := newCall(dir, strings.NewReader(stdin), &out, &errs)
	code = c.Table.Run(context.Background(), c, append([]string{"sh"}, args...))
	return out.String(), errs.String(), code
}

// The sections are those of the Shell Command Language of POSIX.
func TestCommandLanguage(t *testing.T) {
	for _, s := range []struct {
		section, script, want string
		code                  int
	}{
		{"quoting", `echo 'a  $x' "b  c" d\ e "\$x" "a\b" 'it'"'"'s'`, "a  $x b  c d e $x a\\b it's\n", 0},
		{"quoting: line", "echo a\\\nb", "ab\n", 0},
		{"quoting: dollar", `echo $'a\tb'`, "a\tb\n", 0},
		{"comments", "echo a # b\n# c\necho d#e", "a\nd#e\n", 0},
		{"positional", `set -- a 'b c' d; echo $# $1 "$2" $3; shift; echo $1; for i in "$@"; do echo "<$i>"; done; echo "$*"`, "3 a b c d\nb c\n<b c>\n<d>\nb c d\n", 0},
		{"positional: none", `set --; for i in "$@"; do echo no; done; echo $#; echo "[$*]"`, "0\n[]\n", 0},
		{"special", `echo $? $$; false; echo $?; echo $0; echo ${#}`, "0 1\n1\nsh\n0\n", 0},
		{"IFS", `IFS=:; x=a:b:c; set -- $x; echo $#; echo "$*"; IFS=; set -- $x; echo $#`, "3\na:b:c\n1\n", 0},
		{"variables", `x=1 y=2; echo $x$y; x=$x$x; echo $x; unset x; echo "[$x]"; echo $GIVEN`, "12\n11\n[]\nfrom outside\n", 0},
		{"variables of a command", `A=b printenv A; echo "[$A]"; export B=c; printenv B; C=d; printenv C`, "b\n[]\nc\n", 1},
		{"expansion: tilde", `echo ~; x=~/a; echo $x; echo "~"`, "/home/x\n/home/x/a\n~\n", 0},
		{"expansion: default", `echo ${x:-d} ${x-e}; x=; echo "${x:-d}" "${x-e}"; echo ${y:=f} $y; echo ${x:+g}${y:+h}`, "d e\nd \nf f\nh\n", 0},
		{"expansion: error", `(: ${x:?is missing}) 2>/dev/null; echo $?; echo ${x?gone}; echo never`, "2\n", 2},
		{"expansion: length and parts", `x=file.tar.gz; echo ${#x} ${x%.*} ${x%%.*} ${x#*.} ${x##*.} ${x/tar/zip} ${x:0:4}`, "11 file.tar file tar.gz gz file.zip.gz file\n", 0},
		{"expansion: case", `x=aBc; echo ${x^^} ${x,,}`, "ABC abc\n", 0},
		{"expansion: braces", `echo {a,b}{1..3}`, "a1 a2 a3 b1 b2 b3\n", 0},
		{"command substitution", "echo $(echo a; echo b) `echo c`; x=$(printf 'a\\n\\n'); echo \"[$x]\"; echo $(echo $(echo deep))", "a b c\n[a]\ndeep\n", 0},
		{"command substitution: status", `x=$(exit 3); echo $?; echo $(false); echo $?; y=1; z=$(y=2; echo $y); echo $y$z`, "3\n\n0\n12\n", 0},
		{"command substitution: a file", `echo hi >f; echo $(<f)`, "hi\n", 0},
		{"arithmetic", `x=5; echo $((x*2+1)) $(( (1+2)*3 % 4 )) $((x>3 && x<9)) $((x++)) $x $((0x10)); ((x==6)) && echo six; let x+=1; echo $x`, "11 1 1 5 6 16\nsix\n7\n", 0},
		{"field splitting", `x='a  b'; set -- $x; echo $#; set -- "$x"; echo $#; y='*'; echo "$y"`, "2\n1\n*\n", 0},
		{"pathname expansion", `touch a.x b.x .c.x; echo *.x; echo no*; echo ?.x [b].x; mkdir d; touch d/f; echo */f; set -f; echo *.x`, "a.x b.x\nno*\na.x b.x b.x\nd/f\n*.x\n", 0},
		{"redirection", `echo a >f; echo b >>f; cat <f; cat 0<f | wc -l; echo c >|f; cat f`, "a\nb\n2\nc\n", 0},
		{"redirection: errors", `{ echo out; echo err >&2; } 2>/dev/null; { echo both; echo too >&2; } >f 2>&1; cat f; ls nofile 2>&1 >/dev/null; echo x &>g; cat g`,
			"out\nboth\ntoo\nls: nofile: no such file or directory\nx\n", 0},
		{"redirection: descriptors", `exec 3>f; echo a >&3; exec 3>&-; cat f; echo b 2>/dev/null >&2; exec 4<f; read x <&4; echo $x; echo c >&7; echo $?`, "a\na\n1\n", 0},
		{"redirection: of commands", `for i in 1 2; do echo $i; done >f; cat f; while read x; do echo "<$x>"; done <f; if true; then echo y; fi >g; cat g`, "1\n2\n<1>\n<2>\ny\n", 0},
		{"redirection: cannot", `echo x >nodir/f; echo $?; cat <nofile; echo $?; set -C; echo a >f; echo b >f; echo $?`, "1\n1\n1\n", 0},
		{"here-document", "x=1\ncat <<E\na $x $(echo b) \\$x\nE\ncat <<'E'\n$x\nE\ncat <<-E\n\tc\n\tE\ncat <<<word", "a 1 b $x\n$x\nc\nword\n", 0},
		{"here-documents: two", "cat <<A; cat <<B\na\nA\nb\nB", "a\nb\n", 0},
		{"not found", `nonesuch; echo $?; ./nonesuch; echo $?; >f; ./f; echo $?; mkdir d; ./d; echo $?`, "127\n127\n0\n126\n", 0},
		{"pipelines", `echo a | cat | cat; ! true; echo $?; ! false; echo $?; false | true; echo $?; true | false; echo $?; set -o pipefail; false | true; echo $?`, "a\n1\n0\n0\n1\n1\n", 0},
		{"pipelines are subshells", `x=1; echo 2 | read x; echo $x; echo a | { read y; echo $y; }`, "1\na\n", 0},
		{"pipelines: errors too", `{ echo out; echo err >&2; } |& sort`, "err\nout\n", 0},
		{"pipelines: who reads no more", `while true; do echo y; done | head -n 2; { yes; echo after >&2; } 2>&1 | head -n 1`, "y\ny\ny\n", 0},
		{"lists", `true && echo a || echo b; false && echo a || echo b; false || true && echo c; true; false; echo $?`, "a\nb\nc\n1\n", 0},
		{"asynchronous", `(sleep 0.01; echo bg >f) & wait; cat f; false & wait $!; echo $?; sleep 60 & kill $!; wait $!; echo $?; wait 999; echo $?`, "bg\n1\n143\n127\n", 0},
		{"asynchronous: no input", `cat & wait; echo done`, "done\n", 0},
		{"grouping", `x=1; (x=2; echo $x); echo $x; { x=3; }; echo $x; (cd /; pwd); (exit 4); echo $?`, "2\n1\n3\n/\n4\n", 0},
		{"for", `for i in 1 2 3; do [ $i = 2 ] && continue; echo $i; done; for i; do echo no; done; for ((i=0;i<2;i++)); do echo $i; done; for i in; do echo no; done; echo $?`, "1\n3\n0\n1\n0\n", 0},
		{"break out of two", `for i in 1 2; do for j in 1 2; do [ $j = 2 ] && break 2; echo $i$j; done; done; for i in 1 2; do for j in 1 2; do continue 2; done; echo no; done; echo end`, "11\nend\n", 0},
		{"case", `for x in a.c b.h x '?'; do case $x in *.c) echo c;; *.h|*.hh) echo h;; \?) echo q;; *) echo other;; esac; done; case x in y) ;; esac; echo $?; case a in a) echo 1;& b) echo 2;; esac`, "c\nh\nother\nq\n0\n1\n2\n", 0},
		{"if", `if false; then echo a; elif true; then echo b; else echo c; fi; if false; then :; fi; echo $?; if false; then :; else echo d; fi`, "b\n0\nd\n", 0},
		{"while and until", `i=0; while [ $i -lt 3 ]; do i=$((i+1)); echo $i; done; until [ $i = 0 ]; do i=$((i-1)); done; echo $i; while false; do :; done; echo $?; while true; do break; done; echo $?`, "1\n2\n3\n0\n0\n0\n", 0},
		{"functions", `f() { echo "$1 $#"; return 3; echo no; }; f a b; echo $?; f; g() (x=2); x=1; g; echo $x; function h { echo h; }; h; unset -f h; h 2>/dev/null || echo gone`, "a 2\n3\n 0\n1\nh\ngone\n", 0},
		{"functions: local", `f() { local x=2 y; y=3; echo $x$y; g; }; g() { echo in $x; x=4; }; x=1; f; echo $x "[$y]"`, "23\nin 2\n1 []\n", 0},
		{"functions: recursion", `fac() { if [ $1 -le 1 ]; then echo 1; else echo $(( $1 * $(fac $(($1-1))) )); fi; }; fac 6`, "720\n", 0},
		{"functions: without end", `f() { f; }; f; echo never`, "", 1},
		{"break", `break; echo after; return; echo $?`, "after\n1\n", 0},
		{"dot", `echo 'x=$1; y() { echo from y; }; return 4' >f; . ./f a; echo $? $x; y; . ./none; echo $?`, "4 a\nfrom y\n1\n", 0},
		{"eval", `x='echo a; echo b'; eval "$x"; eval; echo $?; eval 'exit 3'`, "a\nb\n0\n", 3},
		{"exec", `exec echo last; echo never`, "last\n", 0},
		{"exec: not found", `exec nonesuch; echo never`, "", 127},
		{"exit", `(exit 300); echo $?; exit 7; echo never`, "44\n", 7},
		{"export", `export A=1 B; B=2; printenv A B; export -n A; printenv A; export -p | grep ' B='`, "1\n2\nexport B=2\n", 0},
		{"readonly", `readonly R=1; (R=2) 2>/dev/null; echo $?; echo $R; unset R 2>/dev/null; echo $?; R=3; echo never`, "1\n1\n1\n", 1},
		{"set -e", `set -e; false || true; if false; then :; fi; ! true; x=$(false) || echo caught; echo on; (false; echo no); echo never`, "caught\non\n", 1},
		{"set -u", `set -u; echo ${x:-default}; echo $x; echo never`, "default\n", 2},
		{"set: shown", `set -ex; echo $-; set +ex; echo "[$-]"; set -o noglob; echo *`, "ex\n[]\n*\n", 0},
		{"set: wrong", `set -Z; echo $?`, "2\n", 0},
		{"trap", `trap 'echo bye $?' EXIT; (trap 'echo sub' EXIT); echo on; exit 3`, "sub\non\nbye 3\n", 3},
		{"trap: shown and reset", `trap 'echo x' EXIT INT; trap; trap - EXIT; echo end`, "trap -- 'echo x' EXIT\ntrap -- 'echo x' INT\nend\n", 0},
		{"trap: exits itself", `trap 'exit 5' EXIT; true`, "", 5},
		{"read", `printf 'a b c\nd\\\ne\n' >f; { read x y; echo "$x|$y"; read z; echo $z; read w; echo $?; } <f; echo 'q\r' | { read -r x; echo "$x"; }; IFS=: read a b <<E
1:2
E
echo $a-$b`, "a|b c\nde\n1\nq\\r\n1-2\n", 0},
		{"read: no more than its line", `printf '1\n2\n3\n' | { read x; read y; cat; echo $x$y; }`, "3\n12\n", 0},
		{"command and type", `command -v echo; command -v cd; f() { :; }; type f; command -v nonesuch; echo $?; ls() { echo mine; }; touch a; ls; command ls`, "echo\ncd\nf is a function\n127\nmine\na\n", 0},
		{"getopts", `while getopts ab:c o -a -b val -cx rest; do echo $o $OPTARG; done 2>/dev/null; echo $OPTIND; OPTIND=1; while getopts :b: o -b; do echo "$o $OPTARG"; done`, "a\nb val\nc\n?\n5\n: b\n", 0},
		{"cd", `mkdir -p d/e; cd d/e; basename $PWD; cd ..; basename $(pwd); cd - >/dev/null; basename $OLDPWD; cd nodir; echo $?; touch f; cd f; echo $?`, "e\nd\nd\n1\n1\n", 0},
		{"[[", `x='a b'; [[ $x == a* ]] && echo 1; [[ -n $x && ! -e nofile ]] && echo 2; [[ $x =~ ^(a)\ b$ ]] && echo ${BASH_REMATCH[1]}; [[ 1 -lt 2 ]] && echo 3; [[ b > a ]] && echo 4; [[ $x == 'a*' ]] || echo 5`, "1\n2\na\n3\n4\n5\n", 0},
		{"arrays", `a=(x 'y z'); echo ${#a[@]} "${a[1]}"; a+=(w); a[4]=v; echo "${a[@]}"; for i in "${a[@]}"; do echo "<$i>"; done | wc -l; a[-1]=x; echo $?`, "2 y z\nx y z w  v\n5\n1\n", 0},
		{"syntax errors", `eval 'if'; echo never`, "", 2},
		{"not supported", `cat <(echo x); echo $?; select x in a; do :; done; echo $?; ulimit -n; echo $?; alias a=b; echo $?`, "1\n1\n1\n1\n", 0},
		{"time", `time true 2>/dev/null; echo $?`, "0\n", 0},
		{"ignores a newline in odd places", "true &&\n\necho a |\ncat\nif true\nthen\necho b\nfi", "a\nb\n", 0},
	} {
		t.Run(s.section, func(t *testing.T) {
			stdout, stderr, code := run(t.TempDir(), "", "-c", s.script)
			// The words of errors begin with a capital letter under WASI alone.
			if !strings.EqualFold(stdout, s.want) || code != s.code {
				t.Errorf("%s\ngave %d\n%s\nwant %d\n%s\nstandard error:\n%s", s.script, code, stdout, s.code, s.want, stderr)
			}
		})
	}
}

func TestHowItIsCalled(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "script"), []byte("echo $0 $1 $#\nexit 3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, s := range []struct {
		stdin string
		args  []string
		want  string
		code  int
	}{
		{"", []string{"-c", "echo $0 $1", "name", "a"}, "name a\n", 0},
		{"", []string{"-ec", "false; echo never"}, "", 1},
		{"", []string{"script", "x", "y"}, "script x 2\n", 3},
		{"", []string{"none"}, "", 127},
		{"", []string{"-c"}, "", 2},
		{"", []string{"-Q"}, "", 2},
		{"", []string{"-c", "echo a; )"}, "", 2},
		{"echo $1\nexit 4\necho never\n", []string{"-s", "arg"}, "arg\n", 4},
		{"read x\nhello there\necho got $x\n", nil, "got hello there\n", 0},
		{"cat\nall that\nfollows\n", nil, "all that\nfollows\n", 0},
		{"if true\nthen echo a\nfi\nfor i in 1 2; do\necho $i\ndone\ncat <<E\nb\nE\necho c \\\nd\nf() {\necho f; }\nf\necho no newline", nil, "a\n1\n2\nb\nc d\nf\nno newline\n", 0},
		{"echo a\nif\n)\necho b\n", nil, "a\n", 2},
		{"", nil, "", 0},
		{"false\n", nil, "", 1},
	} {
		stdout, stderr, code := run(dir, s.stdin, s.args...)
		if stdout != s.want || code != s.code {
			t.Errorf("%q with %q: %d %q, want %d %q; standard error %q", s.args, s.stdin, code, stdout, s.code, s.want, stderr)
		}
	}
}

// A command on standard input is answered before the next one comes: attach lives on that.
func TestCommandsAreRunAsTheyCome(t *testing.T) {
	in, typed := io.Pipe()
	shown, out := io.Pipe()
	c := newCall(t.TempDir(), in, out, io.Discard)
	ended := make(chan int)
	go func() {
		ended <- c.Table.Run(context.Background(), c, []string{"sh"})
		out.Close()
	}()
	answer := make([]byte, 64)
	for _, s := range []struct{ typed, want string }{
		{"echo hello\n", "hello\n"}, {"x=5; echo $x\n", "5\n"}, {"cat | grep --line-buffered b\nabc\n", "abc\n"},
	} {
		io.WriteString(typed, s.typed)
		if n, err := io.ReadFull(shown, answer[:len(s.want)]); err != nil || string(answer[:n]) != s.want {
			t.Fatalf("%q: %q, %v", s.typed, answer[:n], err)
		}
	}
	typed.Close()
	if code := <-ended; code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestAnInteractiveShellPromptsAndGoesOn(t *testing.T) {
	var out, errs bytes.Buffer
	c := newCall("/tmp", strings.NewReader("echo a\nif true\nthen echo b; fi\n)\nnonesuch\necho ${x?no}\necho c\n"), &out, &errs)
	code := c.Table.Run(context.Background(), c, []string{"sh", "-i"})
	if want := "a\nb\nc\n"; out.String() != want || code != 0 {
		t.Errorf("%d %q, want %q", code, out.String(), want)
	}
	if prompts := strings.Count(errs.String(), "/tmp "); prompts != 7 || strings.Count(errs.String(), "> ") != 1 {
		t.Errorf("prompts: %q", errs.String())
	}
}

func TestTheContextEndsEverything(t *testing.T) {
	for _, script := range []string{
		"sleep 1000", "while true; do :; done", "sleep 1000 | cat", "x=$(sleep 1000)", "(sleep 1000)", "sleep 1000 & wait", "top",
	} {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
		c := newCall("/", strings.NewReader(""), io.Discard, io.Discard)
		if code := c.Table.Run(ctx, c, []string{"sh", "-c", script}); code == 0 {
			t.Errorf("%s: succeeded", script)
		}
		cancel()
	}
}

// An interrupt ends the command in front, and not the shell; one that comes while the shell is
// leaving keeps it from nothing.
func TestInterrupts(t *testing.T) {
	for _, s := range []struct {
		name, line, after, want string
		code                    int
	}{
		{"of a command", "hit; sleep 1000\n", "echo $?\n", "130\n", 0},
		{"of a loop", "hit; while true; do :; done\n", "echo $?\n", "130\n", 0},
		{"while leaving", "exit 5 $(hit)\n", "echo never\n", "", 5},
	} {
		t.Run(s.name, func(t *testing.T) {
			var out bytes.Buffer
			c := newCall("/", strings.NewReader(s.line+s.after), &out, io.Discard)
			c.Interrupts = &command.Interrupts{}
			c.Table = command.NewTable(shell.Commands(), condition.Commands(), text.Commands(), system.Commands(),
				map[string]command.Func{"hit": func(_ context.Context, c *command.Call) int {
					c.Interrupts.Listen(strings.NewReader("x"))
					return 0
				}})
			code := c.Table.Run(context.Background(), c, []string{"sh", "-i"})
			if out.String() != s.want || code != s.code {
				t.Errorf("%d %q, want %d %q", code, out.String(), s.code, s.want)
			}
		})
	}
}
