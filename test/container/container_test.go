package container

import (
	"context"
	"net"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"netbox/test/bed"
	"netbox/test/programs"
	"netbox/test/world"
)

func TestMain(m *testing.M) { world.Main(m, bed.Remove) }

// run runs args inside the container within a minute.
func (c *box) run(t *testing.T, args ...string) bed.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return bed.Run(t, c.command(ctx, args...))
}

// The container is Docker's, as far as netbox can tell.
func TestProfileInForce(t *testing.T) {
	c := startContainer(t)
	probe := filepath.Join(c.dir, "probe")
	err := bed.GoBuild(probe, "./test/container/probe")
	if err != nil {
		t.Fatal(err)
	}
	const want = `ptrace ok
socketpair ok
unshare EPERM
setns EPERM
pidfd_getfd EPERM
clone3 ENOSYS
io_uring_setup EPERM
kcmp EPERM
`
	r := c.run(t, probe)
	if r.Out != want {
		t.Errorf("system calls: %s\nwant:\n%s", r.Output(), want)
	}
	r = c.run(t, "grep", "-E", "^(Uid|CapEff|CapBnd|NoNewPrivs|Seccomp):", "/proc/self/status")
	const status = `Uid:	1000	1000	1000	1000
CapEff:	0000000000000000
CapBnd:	00000000a80425fb
NoNewPrivs:	0
Seccomp:	2
`
	if r.Out != status {
		t.Errorf("process: %s\nwant:\n%s", r.Output(), status)
	}
	r = c.run(t, "ip", "-br", "link")
	if strings.Count(r.Out, "\n") != 1 || !strings.HasPrefix(r.Out, "lo ") {
		t.Errorf("interfaces: %s", r.Output())
	}
}

// The container's loopback is where the programs' other side is; from the box
// it is the gateway's address.
var (
	loopback4 = netip.MustParseAddr("127.0.0.1")
	loopback6 = netip.MustParseAddr("::1")
	gateway4  = netip.MustParseAddr("10.0.2.2")
	gateway6  = netip.MustParseAddr("fd00:2::2")
)

func serveNames(t *testing.T, network *world.Namespace) {
	t.Helper()
	var packets net.PacketConn
	var streams net.Listener
	address := netip.AddrPortFrom(loopback4, 53).String()
	err := network.Do(func() (err error) {
		packets, err = net.ListenPacket("udp", address)
		if err != nil {
			return err
		}
		streams, err = net.Listen("tcp", address)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { packets.Close(); streams.Close() })
	programs.ServeDNS(programs.Zone{
		"native.test": {loopback4, loopback6},
		"box.test":    {gateway4, gateway6},
	}, packets, streams)
}

func TestPrograms(t *testing.T) {
	for _, boxed := range []bool{false, true} {
		name := "native"
		if boxed {
			name = "netbox"
		}
		t.Run(name, func(t *testing.T) { runPrograms(t, boxed) })
	}
}

func runPrograms(t *testing.T, boxed bool) {
	var shared []string
	var prefix []string
	if boxed {
		b := build(t)
		shared = append(shared, b.Dir)
		prefix = []string{b.Netbox, "run", "--host-loopback"}
	}
	c := startContainer(t, shared...)
	serveNames(t, c.network)
	for _, row := range programs.Rows() {
		t.Run(row.Name, func(t *testing.T) {
			bed.Need(t, row.Needs...)
			s := &programs.Site{
				Box: boxed, User: bed.User{Name: "user", UID: uid}, Dir: c.scratch(t, row.Name),
				Outside: c.network,
				Far4:    loopback4, Far6: loopback6, FarName: "native.test",
				Serve4: loopback4, Serve6: loopback6,
				Near4: loopback4, Near6: loopback6,
			}
			if boxed {
				s.Far4, s.Far6, s.FarName = gateway4, gateway6, "box.test"
			}
			s.Command = func(ctx context.Context, publish []string, args ...string) *exec.Cmd {
				return c.command(ctx, boxLine(prefix, publish, args)...)
			}
			row.Run(t, s)
		})
	}
}

// boxLine is args under netbox, whose command line starts with prefix; with
// none, it is args.
func boxLine(prefix, publish, args []string) []string {
	if prefix == nil {
		return args
	}
	line := append([]string{}, prefix...)
	for _, p := range publish {
		line = append(line, "-p", p)
	}
	return append(append(line, "--"), args...)
}
