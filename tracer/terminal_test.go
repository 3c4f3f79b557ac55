package tracer_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// console is a terminal with a shell on it.
type console struct {
	t      *testing.T
	master *os.File
	shell  *exec.Cmd
	seen   bytes.Buffer
}

func newConsole(t *testing.T) *console {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer slave.Close()
	shell := exec.Command("bash", "--norc", "--noprofile", "-i")
	shell.Env = append(os.Environ(), "PS1=prompt:", "TERM=dumb")
	shell.Stdin, shell.Stdout, shell.Stderr = slave, slave, slave
	shell.SysProcAttr = &unix.SysProcAttr{Setsid: true, Setctty: true}
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	c := &console{t: t, master: master, shell: shell}
	t.Cleanup(func() {
		shell.Process.Kill()
		shell.Wait()
		master.Close()
	})
	return c
}

func (c *console) typed(s string) {
	c.t.Helper()
	if _, err := c.master.WriteString(s); err != nil {
		c.t.Fatal(err)
	}
}

// expect reads until what was written since the last match holds want.
func (c *console) expect(want string) {
	c.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	buf := make([]byte, 4096)
	for {
		if i := strings.Index(c.seen.String(), want); i >= 0 {
			c.seen.Next(i + len(want))
			return
		}
		p := []unix.PollFd{{Fd: int32(c.master.Fd()), Events: unix.POLLIN}}
		if _, err := unix.Poll(p, 100); err == nil && p[0].Revents != 0 {
			n, err := unix.Read(int(c.master.Fd()), buf)
			if err != nil {
				c.t.Fatalf("no %q: %v", want, err)
			}
			c.seen.Write(buf[:n])
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("no %q in %q", want, c.seen.String())
		}
	}
}

// TestJobControl: Ctrl-Z, fg, bg and Ctrl-C under a shell, during a wait.
func TestJobControl(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := newConsole(t)
	c.expect("prompt:")
	c.typed(superviseEnv + "=1 " + self + " " + cases + " job\n")
	c.expect("ready\r\n")
	for range 3 {
		c.typed("\x1a") // Ctrl-Z
		c.expect("Stopped")
		c.expect("prompt:")
		c.typed("fg\n")
		c.expect("continued\r\n")
	}
	c.typed("\x1a")
	c.expect("Stopped")
	c.typed("bg\n")
	c.expect("continued\r\n")
	c.typed("kill -STOP %1; sleep 0.2; jobs\n")
	c.expect("Stopped")
	c.typed("fg\n")
	c.expect("continued\r\n")
	c.typed("\x03") // Ctrl-C
	c.typed("echo status=$?.\n")
	c.expect("status=33.")
}
