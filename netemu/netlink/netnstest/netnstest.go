// Package netnstest runs a test again in a network namespace of its own that
// looks like the sandbox: lo, and eth0 with 10.0.2.100/24 and fd00:2::64/64
// and default routes through 10.0.2.2 and fd00:2::2. So what the kernel says
// there can be compared with what the emulation says. For tests only.
//
// The namespace belongs to the second run of the test binary and ends with
// it. eth0 is one end of a veth pair; its other end, [PeerName], lies in the
// same namespace, has no address and is to be left out of comparisons.
package netnstest

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"netbox/test/world"
)

// PeerName and PeerIndex are those of the far end of eth0.
const (
	PeerName  = "peer"
	PeerIndex = 3
)

// runVariable tells the second run that it is one.
const runVariable = "NETBOX_TEST_NETNS"

// setup are the ip(8) commands that make the namespace look like the sandbox on
// the nat uplink (MTU 65520).
var setup = []string{
	"link set lo up",
	"link add eth0 index 2 numtxqueues 1 numrxqueues 1 mtu 65520 address 02:00:0a:00:02:64 type veth peer name " + PeerName + " index 3",
	"link set " + PeerName + " addrgenmode none",
	"link set " + PeerName + " up",
	"link set eth0 up",
	"addr add 10.0.2.100/24 brd + dev eth0",
	"addr add fd00:2::64/64 dev eth0",
	"route add default via 10.0.2.2",
	"-6 route add default via fd00:2::2",
}

// InitialUser says whether the second run is in the first user namespace of the
// machine: some of what root may there (capable) is refused in all others
// (ns_capable). Both runs may ask.
func InitialUser() bool {
	uids, err := os.ReadFile("/proc/self/uid_map")
	return os.Geteuid() == 0 && err == nil && strings.Join(strings.Fields(string(uids)), " ") == "0 0 4294967295"
}

// Run is called first in a test function: it goes on (true) in the second
// run, inside the namespace; in the first run it starts that one, takes over
// its result and returns false. Where namespaces can't be made, by root or
// with a user namespace, the test is skipped.
func Run(t *testing.T) bool {
	t.Helper()
	if os.Getenv(runVariable) == t.Name() {
		enter(t)
		return true
	}
	probe := exec.Command("/bin/true")
	probe.SysProcAttr = namespaces()
	if err := probe.Run(); err != nil {
		world.Skip(t, "network namespaces can't be made here: %v", err)
	}
	again := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v", "-test.count=1")
	again.Env = append(os.Environ(), runVariable+"="+t.Name())
	again.SysProcAttr = namespaces()
	out, err := again.CombinedOutput()
	t.Logf("in a network namespace:\n%s", out)
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Fatalf("in a network namespace: %v", err)
	}
	return false
}

// Release is the kernel whose answers the emulation gives, attribute by
// attribute and word by word; every release adds some.
const Release = "6.18."

// NeedRelease skips a test that compares with Linux to that detail where
// another kernel runs.
func NeedRelease(t *testing.T) {
	t.Helper()
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		t.Fatal(err)
	}
	if release := unix.ByteSliceToString(name.Release[:]); !strings.HasPrefix(release, Release) {
		t.Skipf("the answers are those of Linux %sx; this is %s", Release, release)
	}
}

func namespaces() *syscall.SysProcAttr {
	if os.Geteuid() == 0 {
		return &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	}
	return &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWNET | syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
}

func enter(t *testing.T) {
	t.Helper()
	// No duplicate address detection, and no waiting for up to a second.
	for _, setting := range []string{"accept_dad", "router_solicitation_delay"} {
		if err := os.WriteFile("/proc/sys/net/ipv6/conf/default/"+setting, []byte("0"), 0); err != nil {
			t.Fatal(err)
		}
	}
	// Echo sockets for this user, which the sandbox has for everybody.
	if err := os.WriteFile("/proc/sys/net/ipv4/ping_group_range", []byte("0 0"), 0); err != nil {
		t.Fatal(err)
	}
	for _, line := range setup {
		ip(t, line)
	}
	for deadline := time.Now().Add(validTimeout); len(ip(t, "-6 addr show tentative")) > 0; time.Sleep(validPoll) {
		if time.Now().After(deadline) {
			t.Fatalf("IPv6 addresses stay tentative for %v", validTimeout)
		}
	}
}

// The kernel makes an address valid in a worker of its own: some milliseconds
// on an idle machine, but it can be a busy one.
const (
	validTimeout = 10 * time.Second
	validPoll    = 2 * time.Millisecond
)

// ip runs ip(8) and returns what it prints.
func ip(t *testing.T, line string) []byte {
	t.Helper()
	out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput()
	if err != nil {
		t.Fatalf("ip %s: %v\n%s", line, err, out)
	}
	return out
}
