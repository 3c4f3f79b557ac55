package dual

import (
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"netbox/test/world"
)

// The remote hosts, at the addresses that the sim uplink gives them
// (netemu/uplink/sim/default.yaml).
const (
	blackhole   = "192.0.2.82"
	refused     = "192.0.2.81"
	unreachable = "198.51.100.1"
	echo        = "8.8.8.8"
)

// remoteEnvironment tells the cases where the remote hosts are.
var remoteEnvironment = []string{
	"NBT_BLACKHOLE=" + blackhole, "NBT_REFUSED=" + refused, "NBT_UNREACHABLE=" + unreachable, "NBT_ECHO=" + echo,
}

// hostsCanBeMade probes for the right to make namespaces; without it the cases
// run on this machine's own loopback.
func hostsCanBeMade() bool {
	cmd := exec.Command("true")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS}
	return cmd.Run() == nil
}

// newHost makes the host of the native runs: its addresses are those of
// netbox's sandbox, and beyond its gateway are sim's hosts, made of routes.
func newHost(t *testing.T) *world.Namespace {
	t.Helper()
	near := world.NewNamespace(t, "dual-near")
	far := world.NewNamespace(t, "dual-far")
	pid := strings.Split(far.Path(), "/")[2]
	run := func(n *world.Namespace, command string) {
		t.Helper()
		if err := n.Run(strings.Fields(command)...); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range []*world.Namespace{near, far} {
		run(n, "sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0")
	}
	run(near, "ip link add eth0 type veth peer name eth0 netns "+pid)
	for n, host := range map[*world.Namespace]string{near: "100", far: "2"} {
		run(n, fmt.Sprintf("ip addr add 10.0.2.%s/24 dev eth0", host))
		run(n, fmt.Sprintf("ip addr add fd00:2::%s/64 dev eth0", map[string]string{"100": "64", "2": "2"}[host]))
		run(n, "ip link set eth0 up")
	}
	run(near, "ip route add default via 10.0.2.2")
	run(near, "ip route add default via fd00:2::2")
	run(near, "sysctl -qw net.ipv4.ip_unprivileged_port_start=0")
	groups := "0 2147483647"
	if world.InUserNamespace() {
		groups = "0 0" // it has no other group
	}
	// One argument: the file takes the two numbers together.
	if err := near.Run("sysctl", "-qw", "net.ipv4.ping_group_range="+groups); err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{refused, echo} {
		run(far, "ip addr add "+address+"/32 dev lo")
	}
	run(far, "ip route add blackhole "+blackhole)
	run(far, "ip route add unreachable "+unreachable)
	run(far, "sysctl -qw net.ipv4.ip_forward=1 net.ipv4.icmp_ratelimit=0")
	return near
}
