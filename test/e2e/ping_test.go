package e2e

import (
	"context"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"netbox/test/bed"
	"netbox/test/world"
)

// pinger runs ping's family in near, natively or in the box.
type pinger struct {
	t    *testing.T
	w    *world.World
	site site
	bin  *bed.Binaries
	dir  string
}

func (p pinger) run(args ...string) bed.Result {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return bed.Run(p.t, p.site.command(ctx, p.w, p.bin, p.dir, nil, args...))
}

// eachPinger runs f at every site; the box's ordinary user needs the helper's
// file capability.
func eachPinger(t *testing.T, f func(t *testing.T, p pinger)) {
	w := world.New(t)
	serveNames(t, w)
	for _, s := range sites() {
		t.Run(s.name, func(t *testing.T) {
			p := pinger{t: t, w: w, site: s, dir: scratch(t)}
			if s.box {
				p.bin = bed.Build(t)
				if s.user.Prefix != nil && !p.bin.Capable {
					world.Skip(t, "no right to give the ICMP helper its file capability")
				}
			}
			f(t, p)
		})
	}
}

// moved runs f and returns how many echo requests the far host received
// meanwhile.
func (p pinger) moved(f func()) (v4, v6 uint64) {
	p.t.Helper()
	before4, before6, err := p.w.Far.EchoRequests()
	if err != nil {
		p.t.Fatal(err)
	}
	f()
	after4, after6, err := p.w.Far.EchoRequests()
	if err != nil {
		p.t.Fatal(err)
	}
	return after4 - before4, after6 - before6
}

func TestPing(t *testing.T) {
	bed.Need(t, "ping")
	eachPinger(t, func(t *testing.T, p pinger) {
		var r bed.Result
		v4, _ := p.moved(func() { r = p.run("ping", "-c", "3", "-i", "0.3", "8.8.8.8") })
		if r.Code != 0 || !strings.Contains(r.Out, "3 received, 0% packet loss") || v4 != 3 {
			t.Errorf("far received %d echo requests, want 3: %s", v4, r.Output())
		}
		_, v6 := p.moved(func() { r = p.run("ping", "-6", "-c", "3", "-i", "0.3", "2001:4860:4860::8888") })
		if r.Code != 0 || !strings.Contains(r.Out, "3 received, 0% packet loss") || v6 != 3 {
			t.Errorf("far received %d v6 echo requests, want 3: %s", v6, r.Output())
		}
		// A payload beyond the veth pair's MTU is fragmented and comes back whole.
		v4, _ = p.moved(func() { r = p.run("ping", "-c", "1", "-s", "4000", "8.8.8.8") })
		if r.Code != 0 || !strings.Contains(r.Out, "4008 bytes from 8.8.8.8") || v4 != 1 {
			t.Errorf("far received %d large echo requests, want 1: %s", v4, r.Output())
		}
		r = p.run("ping", "-c", "1", farName)
		if r.Code != 0 || !strings.Contains(r.Out, world.Far4.String()) && !strings.Contains(r.Out, world.Far6.String()) {
			t.Errorf("by name: %s", r.Output())
		}
	})
}

func TestPingLoss(t *testing.T) {
	bed.Need(t, "ping")
	eachPinger(t, func(t *testing.T, p pinger) {
		err := p.w.IgnoreEcho(true)
		if err != nil {
			t.Fatal(err)
		}
		defer p.w.IgnoreEcho(false)
		for _, a := range []string{"8.8.8.8", "2001:4860:4860::8888"} {
			r := p.run("ping", "-c", "2", "-i", "0.3", "-W", "1", a)
			if r.Code != 1 || !strings.Contains(r.Out, "2 packets transmitted, 0 received, 100% packet loss") {
				t.Errorf("%s with far ignoring echo: %s", a, r.Output())
			}
		}
	})
}

func TestPingErrors(t *testing.T) {
	bed.Need(t, "ping")
	target := netip.MustParseAddr("1.1.1.1")
	eachPinger(t, func(t *testing.T, p pinger) {
		r := p.run("ping", "-c", "1", "-t", "1", "8.8.8.8")
		if r.Code != 1 || !strings.Contains(r.Out, "From 192.0.2.1 icmp_seq=1 Time to live exceeded") {
			t.Errorf("-t 1: %s", r.Output())
		}
		r = p.run("ping", "-6", "-c", "1", "-t", "1", "2001:4860:4860::8888")
		if r.Code != 1 || !strings.Contains(r.Out, "Time exceeded: Hop limit") {
			t.Errorf("-6 -t 1: %s", r.Output())
		}
		err := p.w.Reject(target, true)
		if err != nil {
			t.Fatal(err)
		}
		defer p.w.Reject(target, false)
		r = p.run("ping", "-c", "1", target.String())
		if r.Code != 1 || !strings.Contains(r.Out, "From 192.0.2.1 icmp_seq=1 Destination Host Unreachable") {
			t.Errorf("a rejecting router: %s", r.Output())
		}
	})
}

func TestTraceroute(t *testing.T) {
	bed.Need(t, "traceroute")
	eachPinger(t, func(t *testing.T, p pinger) {
		for _, c := range []struct{ target, hops string }{
			// In the box, its own gateway is the first hop.
			{"8.8.8.8", `192\.0\.2\.1 .*\n.* 8\.8\.8\.8 `},
			{"2001:4860:4860::8888", `2001:db8:1::1 .*\n.* 2001:4860:4860::8888 `},
		} {
			// By itself traceroute waits for a multiple of what the other
			// answers took, and 5 s at most; a busy machine can exceed both.
			r := p.run("traceroute", "-n", "-I", "-w", "20,0,0", "-m", "8", c.target)
			if r.Code != 0 || !regexp.MustCompile(c.hops).MatchString(r.Out) || strings.Contains(r.Out, "*") {
				t.Errorf("%s: %s", c.target, r.Output())
			}
		}
	})
}

func TestFping(t *testing.T) {
	bed.Need(t, "fping")
	eachPinger(t, func(t *testing.T, p pinger) {
		r := p.run("fping", "-r", "1", "8.8.8.8", "1.1.1.1", "198.51.100.7", "2001:4860:4860::8888")
		if r.Code != 0 || strings.Count(r.Out, " is alive") != 4 {
			t.Errorf("fping: %s", r.Output())
		}
		// Several targets at once, and statistics. Without -t fping waits for no
		// longer than -p, which a busy machine can exceed.
		r = p.run("fping", "-q", "-c", "3", "-p", "100", "-t", "3000", "8.8.8.8", "1.1.1.1", "203.0.113.99", "2606:4700:4700::1111")
		if r.Code != 0 || strings.Count(r.Err, "3/3/0%") != 4 {
			t.Errorf("fping -c: %s", r.Output())
		}
	})
}

// received is how many replies ping's summary tells of.
var received = regexp.MustCompile(`(\d+) packets transmitted, (\d+) received`)

// The helper is killed in the middle of a long ping: some replies are lost,
// nothing hangs, and replies come again.
func TestHelperKilled(t *testing.T) {
	bed.Need(t, "ping")
	w := world.New(t)
	b := bed.Build(t)
	if !b.Capable {
		world.Skip(t, "no right to give the ICMP helper its file capability")
	}
	s := site{"unprivileged", true, bed.Unprivileged()}
	dir := scratch(t)
	ping := bed.Start(t, func(ctx context.Context) *exec.Cmd {
		return s.command(ctx, w, b, dir, nil, "ping", "-i", "0.2", "-c", "40", "8.8.8.8")
	})
	replies := func() int { return strings.Count(ping.Output(), "bytes from 8.8.8.8") }
	if !bed.Eventually(10*time.Second, func() bool { return replies() >= 5 }) {
		t.Fatalf("no replies before the kill:\n%s", ping.Output())
	}
	helpers := processesOf(t, b.Helper)
	if len(helpers) != 1 {
		t.Fatalf("%d helpers, want 1", len(helpers))
	}
	err := unix.Kill(helpers[0], unix.SIGKILL)
	if err != nil {
		t.Fatal(err)
	}
	atKill := replies()
	if !bed.Eventually(10*time.Second, func() bool { return replies() >= atKill+5 || ping.Ended() }) {
		t.Errorf("no replies after the kill:\n%s", ping.Output())
	}
	_, err = ping.Wait(30 * time.Second)
	if err != nil {
		t.Fatal(err)
	}
	m := received.FindStringSubmatch(ping.Output())
	if m == nil {
		t.Fatalf("ping told no statistics:\n%s", ping.Output())
	}
	if n, _ := strconv.Atoi(m[2]); m[1] != "40" || n < 20 {
		t.Errorf("%s\n%s", m[0], ping.Output())
	}
	if left := processesOf(t, b.Helper); len(left) != 0 {
		t.Errorf("helpers left behind: %v", left)
	}
}

// processesOf lists the processes that run the program at path.
func processesOf(t *testing.T, path string) []int {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/exe")
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, link := range links {
		// The process may have ended meanwhile, or be another user's.
		target, _ := os.Readlink(link)
		pid, err := strconv.Atoi(strings.Split(link, "/")[2])
		if target == path && err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}
