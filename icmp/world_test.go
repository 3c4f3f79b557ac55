package icmp

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"netbox/test/bed"
	"netbox/test/world"
)

// The world of the tests that send: three network namespaces in a row.
//
//	near 10.91.0.2 ── 10.91.0.1 router 10.92.0.1 ── 10.92.0.2 far
//	     fd91::2      fd91::1          fd92::1      fd92::2
//
// The far host holds the addresses below on its loopback. The link between
// router and far has farMTU. A test runs in near: the parent makes the world
// and executes its own binary there with the same test.
const (
	farEnv     = "ICMP_TEST_FAR"     // the far namespace as a file, set inside
	capableEnv = "ICMP_TEST_CAPABLE" // path of a helper with the file capability
	plainEnv   = "ICMP_TEST_PLAIN"   // path of a helper without

	farMTU = 1300
)

// Addresses of the world, an IPv4 and an IPv6 one each.
var (
	farAddrs      = [2]string{"8.8.8.8", "2001:4860:4860::8888"}
	otherFarAddrs = [2]string{"198.51.100.1", "2001:db8:100::1"}
	nearRouter    = [2]string{"10.91.0.1", "fd91::1"}
	blackholed    = [2]string{"192.0.2.1", "2001:db8:b1ac::1"}
	prohibited    = [2]string{"203.0.113.1", "2001:db8:f0b::1"}
	unreachable   = [2]string{"198.18.0.1", "2001:db8:dead::1"}
)

// scripts make the world, in this order: a route's gateway is to be there.
// $near and $far are the namespaces as files.
var scripts = []struct{ host, script string }{
	{"router", `
ip link add r0 type veth peer name n0 netns $near
ip link add r1 mtu 1300 type veth peer name f0 mtu 1300 netns $far
sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv6.conf.r0.accept_dad=0 net.ipv6.conf.r1.accept_dad=0
sysctl -qw net.ipv4.icmp_ratemask=0 net.ipv6.icmp.ratelimit=0
ip addr add 10.91.0.1/24 dev r0
ip addr add 10.92.0.1/24 dev r1
ip addr add fd91::1/64 dev r0 nodad
ip addr add fd92::1/64 dev r1 nodad
ip link set r0 up
ip link set r1 up
`}, {"near", `
sysctl -qw net.ipv6.conf.n0.accept_dad=0
ip addr add 10.91.0.2/24 brd + dev n0
ip addr add fd91::2/64 dev n0 nodad
ip link set n0 up
ip route add default via 10.91.0.1
ip -6 route add default via fd91::1
`}, {"far", `
sysctl -qw net.ipv6.conf.f0.accept_dad=0
ip addr add 10.92.0.2/24 dev f0
ip addr add fd92::2/64 dev f0 nodad
ip addr add 8.8.8.8/32 dev lo
ip addr add 198.51.100.1/24 dev lo
ip addr add 2001:4860:4860::8888/128 dev lo nodad
ip addr add 2001:db8:100::1/128 dev lo nodad
ip link set f0 up
ip route add default via 10.92.0.1
ip -6 route add default via fd92::1
`}, {"router", `
ip route add 8.8.8.8/32 via 10.92.0.2
ip route add 198.51.100.0/24 via 10.92.0.2
ip -6 route add 2001:4860:4860::8888/128 via fd92::2
ip -6 route add 2001:db8:100::/48 via fd92::2
ip route add blackhole 192.0.2.0/24
ip -6 route add blackhole 2001:db8:b1ac::/48
ip route add prohibit 203.0.113.0/24
ip -6 route add prohibit 2001:db8:f0b::/48
ip route add unreachable 198.18.0.0/24
ip -6 route add unreachable 2001:db8:dead::/48
`},
}

// makeWorld makes the namespaces, which go with the test.
func makeWorld(tb testing.TB) map[string]*world.Namespace {
	tb.Helper()
	hosts := map[string]*world.Namespace{}
	for _, name := range []string{"near", "router", "far"} {
		hosts[name] = world.NewNamespace(tb, name)
	}
	for _, s := range scripts {
		err := hosts[s.host].Run("env", "near="+hosts["near"].Path(), "far="+hosts["far"].Path(), "sh", "-e", "-c", s.script)
		if err != nil {
			tb.Fatal(err)
		}
	}
	return hosts
}

// fixture is what the parent makes once for all tests: a folder that every user
// may read with two helpers and this test binary.
var fixture struct {
	once   sync.Once
	err    error
	folder string
}

func TestMain(m *testing.M) {
	if isInside() {
		os.Exit(m.Run())
	}
	world.Main(m, func() {
		if fixture.folder != "" {
			os.RemoveAll(fixture.folder)
		}
	})
}

func makeFixture() error {
	folder, err := bed.PublicDir("netbox-icmp-test-", 0o755)
	if err != nil {
		return err
	}
	fixture.folder = folder
	self, err := os.Executable()
	if err != nil {
		return err
	}
	build := exec.Command("go", "build", "-o", filepath.Join(folder, "plain"), "netbox/cmd/netbox-icmp")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	for _, c := range []*exec.Cmd{
		build,
		exec.Command("cp", filepath.Join(folder, "plain"), filepath.Join(folder, "capable")),
		exec.Command("setcap", "cap_net_raw+ep", filepath.Join(folder, "capable")),
		exec.Command("cp", self, filepath.Join(folder, "icmp.test")),
	} {
		if out, err := c.CombinedOutput(); err != nil {
			return fmt.Errorf("%v: %w: %s", c.Args, err, out)
		}
	}
	return nil
}

// As which user a test runs in the near namespace: arguments of setpriv(1).
var (
	asRoot       = []string{"--"}
	asNobody     = bed.Unprivileged().Prefix[1:]
	asNobodyNNP  = append([]string{"--no-new-privs"}, asNobody...)
	asNobodyBset = append([]string{"--bounding-set", "-net_raw"}, asNobody...)
)

// isInside tells whether this process runs in the near namespace.
func isInside() bool { return os.Getenv(farEnv) != "" }

// privileged tells whether the test runs asRoot: in a user namespace of one
// uid, who is uid 0 need not be.
func privileged(tb testing.TB) bool {
	tb.Helper()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&header, &sets[0]); err != nil {
		tb.Fatal(err)
	}
	return sets[0].Effective != 0
}

// inside answers true in the near namespace. Elsewhere it runs the test that
// calls it there, as the user given and with ping sockets allowed or not, and
// answers false.
func inside(tb testing.TB, user []string, pingSockets bool) bool {
	tb.Helper()
	if isInside() {
		return true
	}
	hosts := makeWorld(tb)
	if fixture.once.Do(func() { fixture.err = makeFixture() }); fixture.err != nil {
		tb.Fatal(fixture.err)
	}
	if pingSockets { // a fresh namespace has none
		if err := hosts["near"].AllowPingSockets(); err != nil {
			tb.Fatal(err)
		}
	}
	args := append([]string{"setpriv"}, user...)
	args = append(args, filepath.Join(fixture.folder, "icmp.test"), "-test.timeout", "2m")
	if testing.Verbose() {
		args = append(args, "-test.v")
	}
	if _, ok := tb.(*testing.B); ok {
		args = append(args, "-test.run", "^$", "-test.bench", "^"+tb.Name()+"$",
			"-test.benchtime", flag.Lookup("test.benchtime").Value.String())
	} else {
		args = append(args, "-test.run", "^"+tb.Name()+"$")
	}
	child := hosts["near"].Command(tb.Context(), args...)
	child.Dir = fixture.folder
	child.WaitDelay = time.Second
	child.Env = append(os.Environ(), farEnv+"="+hosts["far"].Path(),
		capableEnv+"="+filepath.Join(fixture.folder, "capable"),
		plainEnv+"="+filepath.Join(fixture.folder, "plain"))
	out, err := child.CombinedOutput()
	if err != nil {
		tb.Fatalf("in the near namespace: %v\n%s", err, out)
	}
	if strings.Contains(string(out), "SKIP") {
		tb.Fatalf("skipped in the near namespace:\n%s", out)
	}
	tb.Logf("in the near namespace:\n%s", out)
	return false
}

// openConn opens a Conn for a test and closes it with it.
func openConn(tb testing.TB, o Options, rung string) *Conn {
	tb.Helper()
	c, err := Open(o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Close)
	if c.Rung() != rung {
		tb.Fatalf("rung %q, want %q", c.Rung(), rung)
	}
	return c
}
