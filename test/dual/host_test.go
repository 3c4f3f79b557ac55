package dual

import (
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
	twin := world.NewTwin(t, "dual")
	far := func(command string) {
		t.Helper()
		if err := twin.Far.Run(strings.Fields(command)...); err != nil {
			t.Fatal(err)
		}
	}
	for _, address := range []string{refused, echo} {
		far("ip addr add " + address + "/32 dev lo")
	}
	far("ip route add blackhole " + blackhole)
	far("ip route add unreachable " + unreachable)
	return twin.Near
}
