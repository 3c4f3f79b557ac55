package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"netbox/test/bed"
	"netbox/test/world"
)

// TestEnds: connections end, stall and are told of natively, by the fast path, by
// packets, and by turns, in the same way.
func TestEnds(t *testing.T) {
	bed.Need(t, "python3", "ss")
	w := world.New(t)
	b := bed.Build(t)
	for _, far := range []netip.Addr{world.Far4, world.Far6} {
		name := "v4"
		if far.Is6() {
			name = "v6"
		}
		t.Run(name, func(t *testing.T) {
			at := serveEnds(t, w, far)
			native, _ := runEnds(t, w, b, sites()[0], at, nil, "")
			for _, way := range []struct {
				name  string
				flags []string
				watch string
				// fast says that flows went the fast path, packets that some did not.
				fast, packets bool
			}{
				{"fast", nil, "", true, false},
				{"packets", []string{"--no-fast-path"}, "", false, true},
				{"switched", nil, "watch", true, true},
			} {
				t.Run(way.name, func(t *testing.T) {
					t.Parallel()
					got, log := runEnds(t, w, b, sites()[2], at, append(way.flags, "--log-level", "debug"), way.watch)
					for text, want := range map[string]bool{"fast=true": way.fast, "fast=false": way.packets} {
						if strings.Contains(log, text) != want {
							t.Errorf("flows with %s: %v, want %v", text, !want, want)
						}
					}
					for i, line := range native {
						if i >= len(got) || got[i] != line {
							t.Errorf("natively %s\nhere     %s", line, strings.Join(got[min(i, len(got)):min(i+1, len(got))], ""))
						}
					}
				})
			}
		})
	}
}

// runEnds runs ends.py and returns what it printed, by line, and what netbox logged.
func runEnds(t *testing.T, w *world.World, b *bed.Binaries, s site, at netip.AddrPort, flags []string, watch string) (lines []string, log string) {
	t.Helper()
	dir := scratch(t)
	script, err := os.ReadFile("testdata/ends.py")
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "ends.py"), script, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	args := []string{"python3", "-S", filepath.Join(dir, "ends.py"), at.Addr().String(), fmt.Sprint(at.Port())}
	if watch != "" {
		args = append(args, watch)
	}
	var out, logged strings.Builder
	cmd := s.command(ctx, w, b, dir, flags, args...)
	cmd.Stdout, cmd.Stderr = &out, &logged
	if err := cmd.Run(); err != nil {
		t.Errorf("%v, after %s%s", err, &out, &logged)
	}
	return strings.Split(strings.TrimSpace(out.String()), "\n"), logged.String()
}

// endsServer is the far host's part. What it is to do the client says in the first
// line: a verb, and the name under which the outcome is to be known.
type endsServer struct {
	mu    sync.Mutex
	known map[string]*conversation
}

// conversation is a connection with a name.
type conversation struct {
	blocked, resume, done chan struct{} // each closed once
	outcome               string        // before done
}

func serveEnds(t *testing.T, w *world.World, at netip.Addr) netip.AddrPort {
	t.Helper()
	var l *net.TCPListener
	err := w.Far.Do(func() (err error) {
		l, err = net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(at, 0)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	s := &endsServer{known: map[string]*conversation{}}
	running.Go(func() {
		for {
			c, err := l.AcceptTCP()
			if err != nil {
				return
			}
			running.Go(func() { s.converse(c) })
		}
	})
	t.Cleanup(func() { l.Close(); running.Wait() })
	return l.Addr().(*net.TCPAddr).AddrPort()
}

func (s *endsServer) get(name string) *conversation {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.known[name]
	if c == nil {
		c = &conversation{make(chan struct{}), make(chan struct{}), make(chan struct{}), ""}
		s.known[name] = c
	}
	return c
}

func (s *endsServer) converse(c *net.TCPConn) {
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
		v.flood(c)
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
func (v *conversation) flood(c *net.TCPConn) {
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
			return
		}
	}
}

// unansweredProgram connects to $1:$2, waits for a line, and tells how two
// connections end of which one has bytes to send and the other looks for its peer.
const unansweredProgram = `
import errno, select, socket, sys
T = socket.IPPROTO_TCP
sender, looker = (socket.create_connection((sys.argv[1], int(sys.argv[2]))) for i in range(2))
sender.setsockopt(T, socket.TCP_USER_TIMEOUT, 1000)
looker.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
for option, value in (socket.TCP_KEEPIDLE, 1), (socket.TCP_KEEPINTVL, 1), (socket.TCP_KEEPCNT, 2):
	looker.setsockopt(T, option, value)
for s in sender, looker:
	s.sendall(b"echo-now -\nx")
	s.recv(1)
print("ready", flush=True)
sys.stdin.readline()
sender.send(b"x")
for s in sender, looker:
	select.select([s], [], [])
	print(errno.errorcode[s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)])
`

// TestUnanswered: TCP_USER_TIMEOUT and keepalive find out that the far host does
// not answer any more.
func TestUnanswered(t *testing.T) {
	bed.Need(t, "python3")
	w := world.New(t)
	b := bed.Build(t)
	at := serveEnds(t, w, world.Far4)
	for _, s := range sites() {
		t.Run(s.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			cmd := s.command(ctx, w, b, scratch(t), nil, "python3", "-S", "-c", unansweredProgram, at.Addr().String(), fmt.Sprint(at.Port()))
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			out, err := cmd.StdoutPipe()
			if err == nil {
				err = cmd.Start()
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(out, make([]byte, len("ready\n"))); err != nil {
				t.Fatal(err)
			}
			if err := w.Drop(world.Near4, true); err != nil {
				t.Fatal(err)
			}
			io.WriteString(in, "go\n")
			said, _ := io.ReadAll(out)
			if err := w.Drop(world.Near4, false); err != nil {
				t.Error(err)
			}
			if err := cmd.Wait(); err != nil || string(said) != "ETIMEDOUT\nETIMEDOUT\n" {
				t.Errorf("%v: %s", err, said)
			}
		})
	}
}
