package e2e

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"netbox/test/bed"
)

// boxed is a command line under netbox with no uplink, for what has to do with
// processes only.
func boxed(b *bed.Binaries, dir string, args ...string) func(ctx context.Context) *exec.Cmd {
	return func(ctx context.Context) *exec.Cmd {
		return command(ctx, dir, append([]string{b.Netbox, "run", "--uplink", "none", "--"}, args...)...)
	}
}

// The program's fatal signal becomes netbox's own.
func TestFatalSignal(t *testing.T) {
	b := bed.Build(t)
	for _, sig := range []syscall.Signal{unix.SIGTERM, unix.SIGKILL, unix.SIGSEGV, unix.SIGABRT, unix.SIGPIPE} {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		cmd := boxed(b, scratch(t), "sh", "-c", fmt.Sprintf("kill -%d $$", int(sig)))(ctx)
		bed.Run(t, cmd)
		status := cmd.ProcessState.Sys().(syscall.WaitStatus)
		if !status.Signaled() || status.Signal() != sig {
			t.Errorf("program killed by %v: netbox ended with %v", sig, cmd.ProcessState)
		}
	}
}

// The program has the timer slack that netbox was started with, which takes another
// for itself.
func TestTimerSlack(t *testing.T) {
	b := bed.Build(t)
	const given = "70000"
	for _, how := range [][]string{nil, {b.Netbox, "run", "--uplink", "none", "--engine", "ptrace", "--"}, {b.Netbox, "run", "--uplink", "none", "--"}} {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		args := append([]string{"sh", "-c", "echo " + given + ` >/proc/self/timerslack_ns && exec "$@"`, "sh"}, how...)
		out := bed.Run(t, command(ctx, scratch(t), append(args, "cat", "/proc/self/timerslack_ns")...))
		if got := strings.TrimSpace(out.Out); got != given {
			t.Errorf("%v: a timer slack of %s ns, want %s", how, got, given)
		}
	}
}

// Signals sent to netbox reach the program.
func TestSignalsReachTheProgram(t *testing.T) {
	b := bed.Build(t)
	for _, sig := range []syscall.Signal{unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGUSR1} {
		t.Run(sig.String(), func(t *testing.T) {
			// A shell cannot trap what it finds ignored, and make may have been
			// started by nohup; what is caught here is not ignored there.
			caught := make(chan os.Signal, 1)
			signal.Notify(caught, sig)
			defer signal.Stop(caught)
			script := fmt.Sprintf(`trap 'echo caught; exit 7' %d; echo ready; while :; do sleep 0.1; done`, int(sig))
			p := bed.Start(t, boxed(b, scratch(t), "sh", "-c", script))
			await(t, p, "ready")
			err := p.Cmd.Process.Signal(sig)
			if err != nil {
				t.Fatal(err)
			}
			code, err := p.Wait(10 * time.Second)
			if err != nil || code != 7 || !strings.Contains(p.Output(), "caught") {
				t.Errorf("exit %d, %v: %s", code, err, p.Output())
			}
		})
	}
}

func await(t *testing.T, p *bed.Background, text string) {
	t.Helper()
	if !bed.Eventually(20*time.Second, func() bool { return strings.Contains(p.Output(), text) || p.Ended() }) || !strings.Contains(p.Output(), text) {
		t.Fatalf("%v never wrote %q: %s", p.Cmd.Args, text, p.Output())
	}
}

// withArgument lists the processes that have the word among their arguments,
// zombies not counted: they have none.
func withArgument(t *testing.T, word string) []int {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, file := range files {
		// The process may have ended meanwhile.
		text, _ := os.ReadFile(file)
		pid, err := strconv.Atoi(strings.Split(file, "/")[2])
		if err == nil && strings.Contains("\x00"+string(text)+"\x00", "\x00"+word+"\x00") {
			pids = append(pids, pid)
		}
	}
	return pids
}

// SIGKILL of netbox leaves no process of the sandbox: not in the background,
// not in another session, not stopped, and not one blocked in a network call.
func TestKillLeavesNothing(t *testing.T) {
	b := bed.Build(t)
	for _, u := range []bed.User{bed.Privileged(), bed.Unprivileged()} {
		t.Run(u.Name, func(t *testing.T) {
			u.Need(t)
			// Nobody else sleeps for so odd a time.
			word := fmt.Sprintf("1000.%d%d", os.Getpid(), time.Now().UnixNano())
			script := `sleep "$1" & setsid sleep "$1" & sleep "$1" & kill -STOP $!; nc -l 1234 & echo ready; sleep "$1"`
			p := bed.Start(t, func(ctx context.Context) *exec.Cmd {
				line := append(append([]string{}, u.Prefix...), b.Netbox, "run", "--uplink", "none", "--", "sh", "-c", script, "sh", word)
				return command(ctx, scratch(t), line...)
			})
			await(t, p, "ready")
			if !bed.Eventually(10*time.Second, func() bool { return len(withArgument(t, word)) >= 6 }) {
				t.Fatalf("%d processes, want netbox, the shell and four sleeps", len(withArgument(t, word)))
			}
			// To netbox alone, not to its group.
			err := p.Cmd.Process.Kill()
			if err != nil {
				t.Fatal(err)
			}
			if !bed.Eventually(10*time.Second, func() bool { return len(withArgument(t, word)) == 0 }) {
				t.Errorf("left behind: %v", withArgument(t, word))
			}
		})
	}
}

// A host port that is taken is an error before the program starts.
func TestPublishedPortTaken(t *testing.T) {
	b := bed.Build(t)
	for _, c := range []struct{ network, address, suffix string }{
		{"tcp", "127.0.0.1:0", ""}, {"tcp", "[::1]:0", ""}, {"udp", "127.0.0.1:0", "/udp"},
	} {
		var taken string
		if c.network == "tcp" {
			l, err := net.Listen("tcp", c.address)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			taken = l.Addr().String()
		} else {
			l, err := net.ListenPacket("udp", c.address)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			taken = l.LocalAddr().String()
		}
		dir := scratch(t)
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		r := bed.Run(t, command(ctx, dir, b.Netbox, "run", "-p", taken+":80"+c.suffix, "--", "touch", "started"))
		if r.Code != 125 || !strings.HasPrefix(r.Err, "netbox: ") || !strings.Contains(r.Err, "address already in use") {
			t.Errorf("-p %s: %s", taken, r.Output())
		}
		_, err := os.Stat(filepath.Join(dir, "started"))
		if err == nil {
			t.Errorf("-p %s: the program was started", taken)
		}
	}
}

func TestInterruptKey(t *testing.T) {
	b := bed.Build(t)
	script := `trap 'echo caught; exit 5' INT; echo ready; while :; do sleep 0.1; done`
	term := bed.StartTerminal(t, boxed(b, scratch(t), "sh", "-c", script))
	term.Await("ready")
	term.Type("\x03")
	term.Await("caught")
	code, err := term.Wait(10 * time.Second)
	if err != nil || code != 5 {
		t.Errorf("exit %d, %v", code, err)
	}
}

// Ctrl-C ends a program that is blocked in a network call.
func TestInterruptKeyInAccept(t *testing.T) {
	bed.Need(t, "nc")
	b := bed.Build(t)
	term := bed.StartTerminal(t, boxed(b, scratch(t), "nc", "-n", "-v", "-l", "1234"))
	term.Await("istening")
	term.Type("\x03")
	code, err := term.Wait(10 * time.Second)
	if err != nil || code != 128+int(unix.SIGINT) {
		t.Errorf("exit %d, %v", code, err)
	}
}

// Ctrl-Z stops netbox and program; fg goes on where they were, in the
// program's read of the terminal.
func TestStopKey(t *testing.T) {
	b := bed.Build(t)
	dir := scratch(t)
	term := bed.StartTerminal(t, func(ctx context.Context) *exec.Cmd {
		return command(ctx, dir, "bash", "--norc", "--noediting", "-i")
	})
	term.Type("PS1='prompt> '\n")
	term.Await("prompt> ")
	term.Await("prompt> ")
	term.Type(b.Netbox + ` run --uplink none -- sh -c 'echo rea''dy; read line; echo "got <$line>"'` + "\n")
	term.Await("ready")
	term.Type("\x1a")
	term.Await("Stopped")
	term.Await("prompt> ")
	term.Type("echo still ''here\n")
	term.Await("still here")
	term.Type("fg\n")
	term.Await("netbox")
	term.Type("some words\n")
	term.Await("got <some words>")
	term.Await("prompt> ")
	term.Type("echo status $?; exit\n")
	term.Await("status 0")
}

// A shell with job control works inside the box.
func TestJobControlInside(t *testing.T) {
	b := bed.Build(t)
	term := bed.StartTerminal(t, boxed(b, scratch(t), "bash", "--norc", "--noediting", "-i"))
	term.Type("PS1='prompt> '\n")
	term.Await("prompt> ")
	term.Await("prompt> ")
	term.Type("sh -c 'echo rea''dy; read line; echo \"got <$line>\"'\n")
	term.Await("ready")
	term.Type("\x1a")
	term.Await("Stopped")
	term.Type("fg\n")
	term.Type("some words\n")
	term.Await("got <some words>")
	term.Await("prompt> ")
	term.Type("exit 4\n")
	code, err := term.Wait(10 * time.Second)
	if err != nil || code != 4 {
		t.Errorf("exit %d, %v", code, err)
	}
}
