package bed

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Terminal is a program that runs on a pseudo-terminal of its own, in a
// session of its own, as in a window.
type Terminal struct {
	*Background
	t      testing.TB
	master *os.File
	shown  *buffer
	seen   int // what Await has passed
}

// StartTerminal starts the command on a new pseudo-terminal.
func StartTerminal(t testing.TB, command func(ctx context.Context) *exec.Cmd) *Terminal {
	t.Helper()
	master, slave, err := openTerminal()
	if err != nil {
		t.Fatal(err)
	}
	defer slave.Close()
	term := &Terminal{t: t, master: master, shown: &buffer{}}
	t.Cleanup(func() { master.Close() })
	term.Background = Start(t, func(ctx context.Context) *exec.Cmd {
		cmd := command(ctx)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
		return cmd
	})
	go term.show()
	return term
}

// show keeps what the programs write. Reading ends with EIO when the last of
// them has gone, or when the test closes the terminal.
func (term *Terminal) show() {
	p := make([]byte, 4096)
	for {
		n, err := term.master.Read(p)
		term.shown.Write(p[:n])
		if err != nil {
			return
		}
	}
}

// openTerminal is posix_openpt, unlockpt and ptsname (pts(4)).
func openTerminal() (master, slave *os.File, err error) {
	master, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			master.Close()
		}
	}()
	err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("unlocking a pseudo-terminal: %w", err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		return nil, nil, fmt.Errorf("a pseudo-terminal's number: %w", err)
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	return master, slave, err
}

// Type types keys, control characters among them.
func (term *Terminal) Type(keys string) {
	term.t.Helper()
	_, err := term.master.WriteString(keys)
	if err != nil {
		term.t.Fatal(err)
	}
}

// Await waits until text appears after what earlier calls have passed.
func (term *Terminal) Await(text string) {
	term.t.Helper()
	ok := Eventually(20*time.Second, func() bool {
		at := strings.Index(term.shown.String()[term.seen:], text)
		if at >= 0 {
			term.seen += at + len(text)
		}
		return at >= 0
	})
	if !ok {
		term.t.Fatalf("the terminal never showed %q; it shows:\n%s", text, term.shown)
	}
}
