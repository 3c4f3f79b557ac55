package world

import (
	"fmt"
	"strings"
	"testing"
)

// Twin is a real kernel's host that has what netbox's sandbox has: lo, eth0
// with 10.0.2.100/24 and fd00:2::64/64, default routes to .2 and ::2, echo
// sockets and low ports for everybody. Programs run in Near to show what Linux
// does; Far is the gateway, which knows nothing beyond its link and answers
// "unreachable".
type Twin struct {
	Near, Far *Namespace
}

// NewTwin makes a twin that lasts as long as the test; where the machine
// allows no namespaces, the test is skipped.
func NewTwin(t testing.TB, name string) *Twin {
	t.Helper()
	w := &Twin{Near: NewNamespace(t, name+"-near"), Far: NewNamespace(t, name+"-far")}
	noDetection := strings.Fields("sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0")
	steps := []step{
		{w.Near, noDetection},
		{w.Far, noDetection},
		{w.Near, []string{"ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", fmt.Sprint(w.Far.holder.Process.Pid)}},
	}
	steps = append(steps, interfaceSteps(w.Near, "eth0", "10.0.2.100", "fd00:2::64")...)
	steps = append(steps, interfaceSteps(w.Far, "eth0", "10.0.2.2", "fd00:2::2")...)
	steps = append(steps, routes(w.Near, "default", "10.0.2.2", "default", "fd00:2::2")...)
	steps = append(steps,
		step{w.Near, []string{"sysctl", "-qw", "net.ipv4.ip_unprivileged_port_start=0"}},
		step{w.Far, []string{"sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.icmp_ratelimit=0"}},
	)
	for _, s := range steps {
		err := s.host.Run(s.args...)
		if err != nil {
			t.Fatal(err)
		}
	}
	err := w.Near.AllowPingSockets()
	if err != nil {
		t.Fatal(err)
	}
	return w
}
