package e2e

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"netbox/test/bed"
	"netbox/test/world"
)

// directPort is where the servers of these tests listen, and on the near host's
// loopback who is not to be reached.
const directPort = "7100"

// TestDirect: a client finds with the uplink host what it finds natively, with every
// engine and as every user.
func TestDirect(t *testing.T) {
	bed.Need(t, "python3")
	w, d := world.New(t), newDirect(t)
	for _, c := range []struct{ far, dropped netip.Addr }{{world.Far4, world.Public[3]}, {world.Far6, world.Public[5]}} {
		if err := w.Drop(c.dropped, true); err != nil {
			t.Fatal(err)
		}
		d.serve(t, w, c.far)
		run := func(t *testing.T, s site, own4, own6 string, flags ...string) []string {
			return d.run(t, s.command(t.Context(), w, d.Binaries, d.dir, flags, "python3", d.script, "client", c.far.String(), directPort, own4, own6, c.dropped.String()))
		}
		native := run(t, sites()[0], world.Near4.String(), world.Near6.String())
		d.each(t, func(t *testing.T, s site, flags []string) {
			same(t, native, run(t, s, "10.0.2.100", "fd00:2::64", flags...))
		})
	}
}

// TestDirectRefused: what the policy refuses is refused as by nat, and no port of the
// sandbox is one of the host's.
func TestDirectRefused(t *testing.T) {
	bed.Need(t, "python3")
	w, d := world.New(t), newDirect(t)
	hits := forbidden(t, w)
	start := func(s site, flags []string) func(ctx context.Context) *exec.Cmd {
		return func(ctx context.Context) *exec.Cmd {
			return s.command(ctx, w, d.Binaries, d.dir, flags, "python3", d.script, "refused", "10.0.2.2", directPort)
		}
	}
	nat := d.run(t, start(sites()[2], []string{"--uplink", "nat"})(t.Context()))
	d.each(t, func(t *testing.T, s site, flags []string) {
		p := bed.Start(t, start(s, flags))
		if !bed.Eventually(30*time.Second, func() bool { return strings.Contains(p.Output(), "listens") }) {
			t.Fatal("it does not come to listen: ", p.Output())
		}
		err := w.Near.Do(func() error {
			c, err := net.Dial("tcp4", "127.0.0.1:7101")
			if err == nil {
				c.Close()
			}
			return err
		})
		if err == nil {
			t.Error("the sandbox's listener is one of the host's")
		}
		if _, err := p.Wait(30 * time.Second); err != nil {
			t.Error(err)
		}
		same(t, nat, strings.Split(strings.TrimSpace(p.Output()), "\n"))
	})
	if n := hits.Load(); n != 0 {
		t.Errorf("the host's loopback was reached %d times", n)
	}
}

// TestDirectHostile: a program that changes addresses under way, or sends them by
// other calls, reaches nothing that the policy refuses.
func TestDirectHostile(t *testing.T) {
	bed.Need(t, "python3")
	w, d := world.New(t), newDirect(t)
	d.serve(t, w, world.Far4)
	hits := forbidden(t, w)
	want := []string{
		"reached " + world.Far4.String(), "fast open -1 ENOTSUP", "unsolicited none", "pktinfo ENETUNREACH", "exchanged",
		"IP_TRANSPARENT EPERM", "TCP_REPAIR EPERM",
	}
	d.each(t, func(t *testing.T, s site, flags []string) {
		got := d.run(t, s.command(t.Context(), w, d.Binaries, d.dir, flags, "python3", d.script, "hostile", world.Far4.String(), directPort, "127.0.0.1"))
		same(t, want, got)
	})
	if n := hits.Load(); n != 0 {
		t.Errorf("the host's loopback was reached %d times", n)
	}
}

// direct is what these tests run.
type direct struct {
	*bed.Binaries
	dir, script string
}

func newDirect(t *testing.T) direct {
	t.Helper()
	return direct{bed.Build(t), scratch(t), testdata(t, "direct.py")}
}

// each runs f in a sandbox with the uplink host, for each user and the engine under test.
func (d direct) each(t *testing.T, f func(t *testing.T, s site, flags []string)) {
	for _, s := range sites()[1:] {
		if os.Getenv("NETBOX_ENGINE") == "" { // scripts/test comes back for ptrace
			t.Run(s.name+"/notify", func(t *testing.T) { f(t, s, []string{"--uplink", "host", "--engine=notify"}) })
			continue
		}
		t.Run(s.name+"/ptrace", func(t *testing.T) { f(t, s, []string{"--uplink", "host", "--engine=ptrace"}) })
		// As under Docker's default profile: a descriptor comes by the control socket.
		s.user.Prefix = append(slices.Clone(s.user.Prefix), "python3", testdata(t, "refuse.py"))
		t.Run(s.name+"/refused", func(t *testing.T) { f(t, s, []string{"--uplink", "host"}) })
	}
}

// serve runs the server in the far host.
func (d direct) serve(t *testing.T, w *world.World, at netip.Addr) {
	t.Helper()
	p := bed.Start(t, func(ctx context.Context) *exec.Cmd {
		return w.Far.Command(ctx, "python3", d.script, "serve", at.String(), directPort)
	})
	if !bed.Eventually(10*time.Second, func() bool { return strings.Contains(p.Output(), "ready") }) {
		t.Fatal("the server does not start: ", p.Output())
	}
}

// run returns what the command printed, by line.
func (d direct) run(t *testing.T, cmd *exec.Cmd) []string {
	t.Helper()
	r := bed.Run(t, cmd)
	if r.Code != 0 {
		t.Error(r.Output())
	}
	return strings.Split(strings.TrimSpace(r.Out), "\n")
}

// forbidden listens on the near host's loopback and counts what comes.
func forbidden(t *testing.T, w *world.World) *atomic.Int64 {
	t.Helper()
	hits := new(atomic.Int64)
	err := w.Near.Do(func() error {
		l, err := net.Listen("tcp4", "127.0.0.1:"+directPort)
		if err != nil {
			return fmt.Errorf("tcp: %w", err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				hits.Add(1)
				c.Close()
			}
		}()
		p, err := net.ListenPacket("udp4", "127.0.0.1:"+directPort)
		if err != nil {
			return fmt.Errorf("udp: %w", err)
		}
		t.Cleanup(func() { p.Close() })
		go func() {
			for b := make([]byte, 9); ; hits.Add(1) {
				if _, _, err := p.ReadFrom(b); err != nil {
					return
				}
			}
		}()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return hits
}
