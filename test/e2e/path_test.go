package e2e

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"netbox/test/bed"
	"netbox/test/world"
)

// narrow is the MTU of the link behind the router in these tests.
const narrow = 1400

// pathTools are programs that show the way to the far host, and what they must
// print of it. The sandbox's gateway is no hop: natively and in the box the first
// one is the world's router.
var pathTools = []struct {
	args string
	want string // a regular expression; . is any character but the end of the line
}{
	{"traceroute -n -w 5 8.8.8.8", `\n 1  192\.0\.2\.1  [^*]*\n 2  8\.8\.8\.8  [^*]*\n$`},
	{"traceroute -6 -n -w 5 2001:4860:4860::8888", `\n 1  2001:db8:1::1  [^*]*\n 2  2001:4860:4860::8888  [^*]*\n$`},
	{"traceroute -n -w 5 -I 8.8.8.8", `\n 1  192\.0\.2\.1  [^*]*\n 2  8\.8\.8\.8  [^*]*\n$`},
	{"traceroute -6 -n -w 5 -I 2001:4860:4860::8888", `\n 1  2001:db8:1::1  [^*]*\n 2  2001:4860:4860::8888  [^*]*\n$`},
	{"traceroute -n -w 5 -T -p 9 8.8.8.8", `\n 1  192\.0\.2\.1  [^*]*\n 2  8\.8\.8\.8  [^*]*\n$`},
	{"traceroute -6 -n -w 5 -T -p 9 2001:4860:4860::8888", `\n 1  2001:db8:1::1  [^*]*\n 2  2001:4860:4860::8888  [^*]*\n$`},
	{"traceroute -n -w 5 --mtu 8.8.8.8", `\n 1  192\.0\.2\.1  .* F=1500 .*\n 2  8\.8\.8\.8  .* F=1400 `},
	{"tracepath -n 8.8.8.8", ` 1:  192\.0\.2\.1 .*\n 2:  192\.0\.2\.1 .* pmtu 1400\n 2:  8\.8\.8\.8 .* reached\n *Resume: pmtu 1400 hops 2 back 2 \n$`},
	{"tracepath -n -6 2001:4860:4860::8888", ` 1:  2001:db8:1::1 .*\n 2:  2001:db8:1::1 .* pmtu 1400\n 2:  2001:4860:4860::8888 .* reached\n *Resume: pmtu 1400 hops 2 back 2 \n$`},
	{"mtr -n -r -c 2 8.8.8.8", `1\.\|-- 192\.0\.2\.1 +0\.0%.*\n.*2\.\|-- 8\.8\.8\.8 +0\.0%.*\n$`},
	{"mtr -n -r -c 2 -u 8.8.8.8", `1\.\|-- 192\.0\.2\.1 +0\.0%.*\n.*2\.\|-- 8\.8\.8\.8 +0\.0%.*\n$`},
	{"mtr -n -r -c 2 -u -P 53 8.8.8.8", `1\.\|-- 192\.0\.2\.1 +0\.0%.*\n.*2\.\|-- 8\.8\.8\.8 +0\.0%.*\n$`},
	{"mtr -n -r -c 2 -T -P 9 8.8.8.8", `1\.\|-- 192\.0\.2\.1 +0\.0%.*\n.*2\.\|-- 8\.8\.8\.8 +0\.0%.*\n$`},
	{"mtr -6 -n -r -c 2 2001:4860:4860::8888", `1\.\|-- 2001:db8:1::1 +0\.0%.*\n.*2\.\|-- 2001:4860:4860::8888 +0\.0%.*\n$`},
	{"mtr -6 -n -r -c 2 -u 2001:4860:4860::8888", `1\.\|-- 2001:db8:1::1 +0\.0%.*\n.*2\.\|-- 2001:4860:4860::8888 +0\.0%.*\n$`},
	{"mtr -6 -n -r -c 2 -T -P 9 2001:4860:4860::8888", `1\.\|-- 2001:db8:1::1 +0\.0%.*\n.*2\.\|-- 2001:4860:4860::8888 +0\.0%.*\n$`},
	{"ping -c 2 -i 0.3 -M do -s 1440 8.8.8.8", `(?s)From 192\.0\.2\.1 icmp_seq=1 Frag needed and DF set \(mtu = 1400\).* 0 received, \+2 errors`},
	{"ping -6 -c 2 -i 0.3 -M do -s 1440 2001:4860:4860::8888", `(?s)From 2001:db8:1::1 icmp_seq=1 Packet too big: mtu=1400.* 0 received, \+2 errors`},
	{"nmap -n -Pn -sT -p 9,53 203.0.113.53", `(?s)\n9/tcp +closed discard\n53/tcp +open +domain\n`},
}

// TestPath: what programs show of the path is the same natively and in the box.
func TestPath(t *testing.T) {
	bed.Need(t, "traceroute", "tracepath", "mtr", "ping", "nmap")
	eachPinger(t, func(t *testing.T, p pinger) {
		if err := p.forgetPaths(); err != nil {
			t.Fatal(err)
		}
		var waiting sync.WaitGroup
		for _, c := range pathTools {
			if strings.HasPrefix(c.args, "mtr") { // it waits for most of its time
				waiting.Go(func() { p.path(c.args, c.want) })
			}
		}
		waiting.Wait()
		for _, c := range pathTools {
			if strings.HasPrefix(c.args, "mtr") {
				continue
			}
			// What near's kernel has learnt of a path is not to help the next.
			if err := p.forgetPaths(); err != nil {
				t.Fatal(err)
			}
			p.path(c.args, c.want)
		}
	})
}

// path runs a program and looks for want in what it prints. An mtr may run twice:
// they run at once, and the router's kernel, busy with one ICMPv6 error, drops
// another (icmpv6_xmit_lock in net/ipv6/icmp.c), natively too: 3 of 200 were lost.
func (p pinger) path(args, want string) {
	wanted := regexp.MustCompile(want)
	r := p.run(strings.Fields(args)...)
	if !wanted.MatchString(r.Out) && strings.HasPrefix(args, "mtr") {
		p.t.Logf("again: %s: %s", args, r.Output())
		r = p.run(strings.Fields(args)...)
	}
	if !wanted.MatchString(r.Out) {
		p.t.Errorf("%s: %s", args, r.Output())
	}
}

// forgetPaths narrows the path, and has near's kernel forget what it knows of it.
func (p pinger) forgetPaths() error {
	err := p.w.NarrowPath(narrow)
	if err != nil {
		return err
	}
	err = p.w.Near.Run("ip", "route", "flush", "cache")
	if err != nil {
		return err
	}
	return p.w.Near.Run("ip", "-6", "route", "flush", "cache")
}

// TestPathErrors: what sockets are told of the path, by their error queues, their
// errnos and the IP headers of what comes, is the same natively and in the box.
func TestPathErrors(t *testing.T) {
	bed.Need(t, "python3")
	script := testdata(t, "path.py")
	prohibited := []netip.Addr{netip.MustParseAddr("198.51.100.8"), netip.MustParseAddr("2001:db8:f::8")}
	unreachable := []netip.Addr{netip.MustParseAddr("198.51.100.9"), netip.MustParseAddr("2001:db8:f::9")}
	native := ""
	eachPinger(t, func(t *testing.T, p pinger) {
		for i := range prohibited {
			// One world serves all sites.
			if native == "" {
				if err := p.w.Prohibit(prohibited[i], true); err != nil {
					t.Fatal(err)
				}
				if err := p.w.Reject(unreachable[i], true); err != nil {
					t.Fatal(err)
				}
			}
		}
		if native == "" {
			serveWays(t, p.w)
			if err := p.w.Near.AllowPingSockets(); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.forgetPaths(); err != nil {
			t.Fatal(err)
		}
		r := p.run("python3", script, "8.8.8.8", "2001:4860:4860::8888", prohibited[0].String(), prohibited[1].String(),
			unreachable[0].String(), unreachable[1].String(), fmt.Sprint(wayPort))
		switch {
		case r.Code != 0 || strings.Contains(r.Out, "nothing"):
			t.Fatal(r.Output())
		case native == "":
			native = r.Out
			t.Log(native)
		case r.Out != native:
			t.Errorf("in the box:\n%s\nnatively:\n%s\nstderr: %s", r.Out, native, r.Err)
		}
	})
}

// wayPort is where the far host tells of what came.
const wayPort = 4242

// serveWays answers each datagram with the TTL and TOS that it came with.
func serveWays(t *testing.T, w *world.World) {
	t.Helper()
	for _, a := range []string{"8.8.8.8", "2001:4860:4860::8888"} {
		var c *net.UDPConn
		err := w.Far.Do(func() (err error) {
			c, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(a), wayPort)))
			return err
		})
		if err == nil {
			err = tellWays(c)
		}
		if err != nil {
			t.Fatal(err)
		}
		go answerWays(c)
	}
}

// tellWays asks for the control messages of TTL and TOS.
func tellWays(c *net.UDPConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		options := [][2]int{{unix.IPPROTO_IPV6, unix.IPV6_RECVHOPLIMIT}, {unix.IPPROTO_IPV6, unix.IPV6_RECVTCLASS}}
		if c.LocalAddr().(*net.UDPAddr).IP.To4() != nil {
			options = [][2]int{{unix.IPPROTO_IP, unix.IP_RECVTTL}, {unix.IPPROTO_IP, unix.IP_RECVTOS}}
		}
		for _, o := range options {
			if err := unix.SetsockoptInt(int(fd), o[0], o[1], 1); err != nil {
				failed = err
			}
		}
	})
	if err == nil {
		err = failed
	}
	return err
}

// answerWays ends with its socket, which the test's process closes at its end.
func answerWays(c *net.UDPConn) {
	buf, control := make([]byte, 100), make([]byte, 512)
	for {
		_, n, _, from, err := c.ReadMsgUDP(buf, control)
		if err != nil {
			return
		}
		ms, err := unix.ParseSocketControlMessage(control[:n])
		if err != nil {
			return
		}
		var told []string
		for _, m := range ms {
			told = append(told, fmt.Sprintf("%d:%x", m.Header.Type, m.Data))
		}
		c.WriteToUDP([]byte(strings.Join(told, " ")), from)
	}
}

// TestResetUnread: a program that throws its connection away is rid of it at
// once, and the far host hears of it, although that does not read.
func TestResetUnread(t *testing.T) {
	bed.Need(t, "python3")
	const script = `
import socket, struct, sys, time
s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
s.setblocking(False)
last = time.monotonic()
while time.monotonic() < last + 1:
    try:
        s.send(bytes(65536))
        last = time.monotonic()
    except BlockingIOError:
        time.sleep(0.01)
s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
s.close()
print("closed", flush=True)
sys.stdin.read()
`
	w := world.New(t)
	var l *net.TCPListener
	err := w.Far.Do(func() (err error) {
		l, err = net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(world.Far4, 0)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, s := range sites() {
		t.Run(s.name, func(t *testing.T) {
			var b *bed.Binaries
			if s.box {
				b = bed.Build(t)
			}
			dir, port := scratch(t), l.Addr().(*net.TCPAddr).Port
			program := bed.Start(t, func(ctx context.Context) *exec.Cmd {
				cmd := s.command(ctx, w, b, dir, nil, "python3", "-c", script, world.Far4.String(), fmt.Sprint(port))
				if _, err := cmd.StdinPipe(); err != nil { // open until the test ends
					t.Fatal(err)
				}
				return cmd
			})
			c, err := l.AcceptTCP()
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			// The program runs on: what the far host sees is not the end of netbox.
			if !bed.Eventually(20*time.Second, func() bool { return isReset(t, c) }) {
				t.Errorf("no reset: %s", program.Output())
			}
		})
	}
}

// isReset looks without reading.
func isReset(t *testing.T, c *net.TCPConn) (yes bool) {
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		p := []unix.PollFd{{Fd: int32(fd)}}
		unix.Poll(p, 0)
		yes = p[0].Revents&unix.POLLERR != 0
	})
	return yes
}
