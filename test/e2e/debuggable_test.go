package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"netbox/test/bed"
)

// debuggable is a command line for strace and gdb to run in, as user u.
func debuggable(b *bed.Binaries, u bed.User, dir string, flags string, args ...string) func(ctx context.Context) *exec.Cmd {
	return func(ctx context.Context) *exec.Cmd {
		line := append(append([]string{}, u.Prefix...), b.Netbox, "run", "--debuggable", "--engine", "notify")
		line = append(append(append(line, strings.Fields(flags)...), "--"), args...)
		return command(ctx, dir, line...)
	}
}

// threads is the program of testdata/threads.c.
func threads(t *testing.T) string {
	path := filepath.Join(scratch(t), "threads")
	if out, err := exec.Command("gcc", "-g", "-O0", "-pthread", "-o", path, "testdata/threads.c").CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, out)
	}
	return path
}

// echoOnce is a program that connects to a server of its own, blocking, and waits in
// accept(2) and recv(2), which strace then has to show.
const echoOnce = `
import socket, threading, time
l = socket.create_server(("127.0.0.1", 7))
def client():
	time.sleep(0.2)
	c = socket.create_connection(("127.0.0.1", 7))
	time.sleep(0.2)
	c.send(b"hello")
threading.Thread(target=client).start()
c, peer = l.accept()
print(c.recvfrom(100)[0].decode(), flush=True)`

// attach looks on while a server waits in accept(2), goes away, and comes again;
// another program uses the server in between and afterwards.
const attach = `
/usr/bin/python3 -c '
import socket
l = socket.create_server(("127.0.0.1", 7))
print("up", flush=True)
while True: l.accept()[0].send(b"still here\n")' >up &
server=$!
until grep -q up up 2>/dev/null; do sleep 0.05; done
for i in 1 2; do
	%s
	echo $i: $(/usr/bin/python3 -c 'import socket; print(socket.create_connection(("127.0.0.1", 7)).recv(100).decode())')
done
kill $server`

// Strace and gdb work in the box: what they show are the box's addresses, and what
// they look at goes on as without them.
func TestTracers(t *testing.T) {
	bed.Need(t, "strace", "gdb", "gcc", "/usr/bin/python3", "curl")
	b, program := bed.Build(t), threads(t)
	gdb := "gdb -q -nx -batch "
	for _, row := range []struct {
		name, flags, script string
		want                []string
	}{
		{"strace a client", "--uplink sim", "strace -f -e trace=network curl -4 -sS http://example.test/", []string{
			`sin_port=htons(80), sin_addr=inet_addr("192.0.2.80")}, 16) = -1 EINPROGRESS`,
			`getsockname(5, {sa_family=AF_INET, sin_port=htons(`, `sin_addr=inet_addr("10.0.2.100")}`, "It works", "exited with 0"}},
		{"strace what blocks", "--uplink none", "strace -f -e trace=network /usr/bin/python3 -c '" + echoOnce + "'", []string{
			// The rest of the line may come as "<... connect resumed>".
			`connect(4, {sa_family=AF_INET, sin_port=htons(7), sin_addr=inet_addr("127.0.0.1")}, 16`,
			`sin_addr=inet_addr("127.0.0.1")}, [16], SOCK_CLOEXEC) = `, `"hello"`, "hello\n", "exited with 0"}},
		{"strace with seccomp-bpf", "--uplink none", "strace -f --seccomp-bpf -e trace=connect " + program, []string{"connect(", ") = 0", "served"}},
		{"strace attaches", "--uplink none", fmt.Sprintf(attach, "timeout -s INT 0.5 strace -f -p $server"), []string{
			"strace: Process ", " attached", "accept", "1: still here\n", "2: still here\n"}},
		{"gdb runs", "--uplink none", gdb + "-ex 'break connect' -ex run -ex bt -ex 'thread apply all bt' -ex delete -ex continue " + program, []string{
			"in client (to=0x", "in serve (listener=3)", "in main () at ", "served", "exited normally"}},
		{"gdb calls", "--uplink none", gdb + "-ex 'break serve' -ex run -ex 'print (int)socket(2, 1, 0)' -ex 'print (int)close($)' -ex continue " + program, []string{
			"$1 = ", "$2 = 0", "served", "exited normally"}},
		{"gdb attaches", "--uplink none", fmt.Sprintf(attach, gdb+"-p $server -ex bt"), []string{"accept", "detached", "1: still here\n", "2: still here\n"}},
	} {
		for _, u := range []bed.User{bed.Privileged(), bed.Unprivileged()} {
			t.Run(row.name+"/"+u.Name, func(t *testing.T) {
				t.Parallel()
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				r := bed.Run(t, debuggable(b, u, scratch(t), row.flags, "sh", "-c", "exec 2>&1\n"+row.script)(ctx))
				for _, want := range row.want {
					if !strings.Contains(r.Out, want) {
						t.Errorf("%q is not in: %s", want, r.Output())
					}
				}
				if r.Code != 0 {
					t.Error("exit code ", r.Code)
				}
			})
		}
	}
}

// A tracer in the box gets at nothing outside of it.
func TestTracersStayInside(t *testing.T) {
	bed.Need(t, "strace", "gdb")
	b := bed.Build(t)
	for _, u := range []bed.User{bed.Privileged(), bed.Unprivileged()} {
		outside := bed.Start(t, func(ctx context.Context) *exec.Cmd {
			return exec.CommandContext(ctx, "sh", "-c", strings.Join(append(append([]string{}, u.Prefix...), "sleep", "100"), " "))
		})
		for _, target := range []string{strconv.Itoa(outside.Cmd.Process.Pid), "$PPID", "$(ps -o ppid= -p $PPID)"} {
			for _, tracer := range []string{"strace -p ", "gdb -q -nx -batch -p "} {
				t.Run(u.Name+"/"+tracer+target, func(t *testing.T) {
					ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
					defer cancel()
					r := bed.Run(t, debuggable(b, u, scratch(t), "--uplink none", "sh", "-c", tracer+target+"; echo over")(ctx))
					if !strings.HasSuffix(r.Out, "over\n") || !strings.Contains(strings.ToLower(r.Err), "operation not permitted") {
						t.Error(r.Output())
					}
				})
			}
		}
	}
}

// hide starts processes that are hard to find again: in another session, with
// another parent, stopped, traced, blocked in a network call. Each has "$1" among its
// arguments.
const hide = `
sleep "$1" & setsid sleep "$1" & sleep "$1" & kill -STOP $!
(setsid sh -c 'sleep "$1" & exec sleep "$1"' sh "$1" &)
(setsid sh -c '(sleep "$1" &) ; exit' sh "$1" &)
strace -qq -o /dev/null sleep "$1" &
/usr/bin/python3 -c 'import socket; socket.create_server(("127.0.0.1", 7)).accept()' "$1" &
`

// Whoever ends, the supervisor, its keeper or the program, nothing of the box stays.
func TestNothingStays(t *testing.T) {
	bed.Need(t, "strace", "/usr/bin/python3")
	b := bed.Build(t)
	for _, u := range []bed.User{bed.Privileged(), bed.Unprivileged()} {
		for _, end := range []string{"supervisor", "keeper", "program", "program's end"} {
			t.Run(u.Name+"/"+end, func(t *testing.T) {
				word := fmt.Sprintf("1000.%d%d", os.Getpid(), time.Now().UnixNano())
				script := hide + `echo $$ $PPID ready; test -z "$2" && exec sleep "$1"; read line <fifo`
				dir := scratch(t)
				if err := unix.Mkfifo(filepath.Join(dir, "fifo"), 0o666); err != nil {
					t.Fatal(err)
				}
				if err := os.Chmod(filepath.Join(dir, "fifo"), 0o666); err != nil {
					t.Fatal(err)
				}
				last := ""
				if end == "program's end" {
					last = "wait"
				}
				p := bed.Start(t, debuggable(b, u, dir, "--uplink none", "sh", "-c", script, "sh", word, last))
				await(t, p, "ready")
				var program, keeper int
				if _, err := fmt.Sscan(p.Output(), &program, &keeper); err != nil {
					t.Fatal(err)
				}
				// netbox, its keeper and the program, and nine of hide's.
				if !bed.Eventually(20*time.Second, func() bool { return len(withArgument(t, word)) >= 12 }) {
					t.Fatalf("%d processes, want 12", len(withArgument(t, word)))
				}
				var err error
				switch end {
				case "supervisor":
					err = p.Cmd.Process.Kill()
				case "keeper":
					err = unix.Kill(keeper, unix.SIGKILL)
				case "program":
					err = unix.Kill(program, unix.SIGKILL)
				default:
					err = os.WriteFile(filepath.Join(dir, "fifo"), []byte("\n"), 0)
				}
				if err != nil {
					t.Fatal(err)
				}
				if !bed.Eventually(10*time.Second, func() bool { return len(withArgument(t, word)) == 0 }) {
					t.Errorf("left behind: %v", withArgument(t, word))
				}
			})
		}
	}
}
