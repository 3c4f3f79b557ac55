package e2e

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"netbox/test/bed"
	"netbox/test/world"
)

// ways are how the bytes of a box's connections go: fast says that some went past
// the stacks, packets that some did not.
var ways = []struct {
	name          string
	flags, script []string
	fast, packets bool
}{
	{"fast", nil, nil, true, false},
	{"packets", []string{"--no-fast-path"}, nil, false, true},
	{"switched", nil, []string{"watch"}, true, true},
}

// TestEnds: connections with the far host end, stall and are told of natively, by
// the fast path, by packets, and by turns, in the same way.
func TestEnds(t *testing.T) {
	bed.Need(t, "python3", "ss")
	w, e := world.New(t), newEnds(t)
	for _, far := range []netip.Addr{world.Far4, world.Far6} {
		at := e.start(t, w, far)
		run := func(t *testing.T, s site, flags, script []string) (lines []string, log string) {
			args := append(append(e.script(), script...), at.Addr().String(), fmt.Sprint(at.Port()))
			return e.run(t, s.command(t.Context(), w, e.Binaries, e.dir, flags, args...))
		}
		native, _ := run(t, sites()[0], nil, nil)
		for _, way := range ways {
			if far.Is6() && way.name != "fast" {
				continue // what differs there are the addresses
			}
			t.Run(way.name+"/"+far.String(), func(t *testing.T) {
				t.Parallel()
				got, log := run(t, sites()[2], append(way.flags, "--log-level", "debug"), way.script)
				for text, want := range map[string]bool{"fast=true": way.fast, "fast=false": way.packets} {
					if strings.Contains(log, text) != want {
						t.Errorf("flows with %s: %v, want %v", text, !want, want)
					}
				}
				same(t, native, got)
			})
		}
	}
}

// TestEndsInside is TestEnds with the server in the same sandbox.
func TestEndsInside(t *testing.T) {
	bed.Need(t, "python3", "ss")
	w, e := world.New(t), newEnds(t)
	for _, at := range []string{"127.0.0.1", "::1"} {
		run := func(t *testing.T, s site, flags, script []string) []string {
			args := append(append(append([]string{e.program, at}, e.script()...), script...), at)
			lines, _ := e.run(t, s.command(t.Context(), w, e.Binaries, e.dir, flags, args...))
			return lines
		}
		native := run(t, sites()[0], nil, nil)
		for _, way := range ways {
			if at == "::1" && way.name != "switched" {
				continue
			}
			t.Run(way.name+"/"+at, func(t *testing.T) {
				t.Parallel()
				same(t, native, run(t, sites()[2], append(way.flags, "--uplink", "none"), way.script))
			})
		}
	}
}

// TestEndsPublished is TestEnds with the server in the sandbox, behind a published port,
// and the clients outside.
func TestEndsPublished(t *testing.T) {
	bed.Need(t, "python3", "ss")
	w, e := world.New(t), newEnds(t)
	outside := sites()[0]
	run := func(t *testing.T, server site, port string, flags []string) (lines []string, log string) {
		p := bed.Start(t, func(ctx context.Context) *exec.Cmd {
			return server.command(ctx, w, e.Binaries, e.dir, flags, e.program, "0.0.0.0:"+port)
		})
		if !bed.Eventually(10*time.Second, func() bool { return strings.Contains(p.Output(), port+"\n") }) {
			t.Fatal("the server does not start: ", p.Output())
		}
		lines, _ = e.run(t, outside.command(t.Context(), w, nil, e.dir, nil, append(e.script(), "127.0.0.1", port)...))
		// How much is under way is netbox's matter here, not the client's; and the client
		// counts what passes the host's lo, which both ways use at the same time.
		return slices.DeleteFunc(lines, func(l string) bool {
			return strings.HasPrefix(l, "small_buffers ") || strings.HasPrefix(l, "counted ")
		}), p.Output()
	}
	native, _ := run(t, outside, "9100", nil)
	for i, way := range ways[:2] {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			port := fmt.Sprint(9101 + i)
			got, log := run(t, sites()[2], port, append(way.flags, "--log-level", "debug", "-p", port+":"+port))
			if strings.Contains(log, "fast=true") != way.fast || strings.Contains(log, "fast=false") != way.packets {
				t.Errorf("flows by %v: %v, by packets: %v", way.name, strings.Contains(log, "fast=true"), strings.Contains(log, "fast=false"))
			}
			same(t, native, got)
		})
	}
}

func same(t *testing.T, native, got []string) {
	t.Helper()
	for i, line := range native {
		if i >= len(got) || got[i] != line {
			t.Errorf("natively %s\nhere     %s", line, strings.Join(got[min(i, len(got)):min(i+1, len(got))], ""))
		}
	}
}

// ends is what these tests run: the server, and ends.py.
type ends struct {
	*bed.Binaries
	dir, program string
}

func newEnds(t *testing.T) ends {
	t.Helper()
	e := ends{bed.Build(t), scratch(t), ""}
	e.program = filepath.Join(e.dir, "ends")
	err := bed.GoBuild(e.program, "./test/e2e/ends")
	var script []byte
	if err == nil {
		script, err = os.ReadFile("testdata/ends.py")
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(e.dir, "ends.py"), script, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func (e ends) script() []string {
	return []string{"python3", "-S", filepath.Join(e.dir, "ends.py")}
}

// run returns what the command printed, by line, and what netbox logged.
func (e ends) run(t *testing.T, cmd *exec.Cmd) (lines []string, log string) {
	t.Helper()
	r := bed.Run(t, cmd)
	if r.Code != 0 {
		t.Error(r.Output())
	}
	return strings.Split(strings.TrimSpace(r.Out), "\n"), r.Err
}

// start runs the server in the far host and returns where it listens.
func (e ends) start(t *testing.T, w *world.World, at netip.Addr) netip.AddrPort {
	t.Helper()
	p := bed.Start(t, func(ctx context.Context) *exec.Cmd { return w.Far.Command(ctx, e.program, at.String()) })
	if !bed.Eventually(10*time.Second, func() bool { return strings.HasSuffix(p.Output(), "\n") }) {
		t.Fatal("the server does not start")
	}
	port, err := strconv.ParseUint(strings.TrimSpace(p.Output()), 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	return netip.AddrPortFrom(at, uint16(port))
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
	w, e := world.New(t), newEnds(t)
	at := e.start(t, w, world.Far4)
	for _, s := range sites() {
		t.Run(s.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			cmd := s.command(ctx, w, e.Binaries, e.dir, nil, "python3", "-S", "-c", unansweredProgram, at.Addr().String(), fmt.Sprint(at.Port()))
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
