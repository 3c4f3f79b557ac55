// Ends is a server that lets TCP connections end, stall and break as its clients
// ask, and tells what it saw of them. It prints its port and serves until it is
// killed, or runs a command, with the port as the last argument, and ends as that
// does. Without PORT it is any.
//
//	ends ADDRESS[:PORT] [COMMAND...]
package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	at := os.Args[1]
	if _, err := netip.ParseAddrPort(at); err != nil {
		at = net.JoinHostPort(at, "0")
	}
	l, err := net.Listen("tcp", at)
	if err != nil {
		fmt.Fprintln(os.Stderr, "ends:", err)
		os.Exit(1)
	}
	s := &server{known: map[string]*conversation{}}
	port := fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
	if len(os.Args) == 2 {
		fmt.Println(port)
		s.serve(l.(*net.TCPListener))
	}
	go s.serve(l.(*net.TCPListener))
	cmd := exec.Command(os.Args[2], append(os.Args[3:], port)...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "ends:", err)
		os.Exit(1)
	}
}

// server is what clients talk to. What it is to do the client says in the first
// line: a verb, and the name under which the outcome is to be known.
type server struct {
	mu    sync.Mutex
	known map[string]*conversation
}

// conversation is a connection with a name.
type conversation struct {
	blocked, resume, done chan struct{} // each closed once
	outcome               string        // before done
}

func (s *server) serve(l *net.TCPListener) {
	for {
		c, err := l.AcceptTCP()
		if err != nil {
			return
		}
		go s.converse(c)
	}
}

func (s *server) get(name string) *conversation {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.known[name]
	if c == nil {
		c = &conversation{make(chan struct{}), make(chan struct{}), make(chan struct{}), ""}
		s.known[name] = c
	}
	return c
}

func (s *server) converse(c *net.TCPConn) {
	defer c.Close()
	// Longer than a client's own patience.
	if c.SetDeadline(time.Now().Add(time.Minute)) != nil {
		return
	}
	var line []byte
	for b := make([]byte, 1); !strings.HasSuffix(string(line), "\n"); line = append(line, b[0]) {
		if _, err := c.Read(b); err != nil {
			return
		}
	}
	var verb, name string
	if _, err := fmt.Sscan(string(line), &verb, &name); err != nil {
		return
	}
	v := s.get(name)
	if verb == "report" || verb == "blocked" || verb == "go" {
		io.WriteString(c, v.answer(verb))
		return
	}
	outcome := v.act(c, verb)
	if name != "-" {
		v.outcome = outcome
		close(v.done)
	}
}

// answer waits for what is asked about a conversation.
func (v *conversation) answer(verb string) string {
	event := v.done
	switch verb {
	case "blocked":
		event = v.blocked
	case "go":
		close(v.resume)
		return "going"
	}
	select {
	case <-event:
		return v.outcome + verb[:1]
	case <-time.After(30 * time.Second):
		return "never"
	}
}

// act does what the verb says and tells how the client's end ended.
func (v *conversation) act(c *net.TCPConn, verb string) string {
	switch verb {
	case "echo":
		data, err := io.ReadAll(c)
		c.Write(data)
		return fmt.Sprint(len(data), " ", ending(err))
	case "echo-now":
		_, err := io.Copy(c, onlyReader{c})
		return ending(err)
	case "early":
		c.CloseWrite()
	case "reset", "spoil":
		if verb == "reset" {
			c.Read(make([]byte, 1))
		} else {
			c.Write(make([]byte, 100_000))
		}
		c.SetLinger(0)
		return ""
	case "stall-reset":
		time.Sleep(700 * time.Millisecond)
		c.SetLinger(0)
		return ""
	case "gone":
		return ""
	case "stall":
		v.stall(c)
	case "source":
		c.Write(make([]byte, 1000))
	case "flood":
		if err := v.flood(c); err != nil {
			return ending(err)
		}
	}
	n, err := io.Copy(io.Discard, onlyReader{c})
	return fmt.Sprint(n, " ", ending(err))
}

// onlyReader hides what io.Copy would use to let the kernel copy.
type onlyReader struct{ io.Reader }

func ending(err error) string {
	switch {
	case err == nil:
		return "end"
	case errors.Is(err, unix.ECONNRESET), errors.Is(err, unix.EPIPE):
		return "reset"
	}
	return err.Error()
}

// stall reads nothing until it is told to, or the connection has broken.
func (v *conversation) stall(c *net.TCPConn) {
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	for broken := false; !broken; {
		select {
		case <-v.resume:
			return
		case <-time.After(10 * time.Millisecond):
			err := raw.Control(func(fd uintptr) {
				p := []unix.PollFd{{Fd: int32(fd)}}
				unix.Poll(p, 0)
				broken = p[0].Revents&unix.POLLERR != 0
			})
			if err != nil {
				return
			}
		}
	}
}

// flood writes 64 MiB, and tells when it has to wait.
func (v *conversation) flood(c *net.TCPConn) error {
	left := make([]byte, 64<<20)
	said := false
	for len(left) > 0 {
		c.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
		n, err := c.Write(left)
		left = left[n:]
		if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) && !said {
			said = true
			v.outcome = "waits "
			close(v.blocked)
		}
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
	}
	return nil
}
