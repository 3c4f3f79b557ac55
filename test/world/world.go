package world

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
)

// Addresses of the hosts. near and the far host reach each other through the
// router only.
var (
	Near4   = netip.MustParseAddr("192.0.2.2")
	Near6   = netip.MustParseAddr("2001:db8:1::2")
	Router4 = netip.MustParseAddr("192.0.2.1")
	Router6 = netip.MustParseAddr("2001:db8:1::1")

	// Far4 and Far6 are where tests run their servers; Resolver4 and Resolver6 are
	// in near's resolv.conf.
	Far4      = netip.MustParseAddr("203.0.113.10")
	Far6      = netip.MustParseAddr("2001:db8:f::10")
	Resolver4 = netip.MustParseAddr("203.0.113.53")

	// Public are the far host's other addresses.
	Public = []netip.Addr{
		netip.MustParseAddr("8.8.8.8"),
		netip.MustParseAddr("1.1.1.1"),
		netip.MustParseAddr("198.51.100.7"),
		netip.MustParseAddr("203.0.113.99"),
		netip.MustParseAddr("2001:4860:4860::8888"),
		netip.MustParseAddr("2606:4700:4700::1111"),
	}
)

const (
	routerFar4 = "192.0.3.1"
	routerFar6 = "2001:db8:2::1"
	farVeth4   = "192.0.3.2"
	farVeth6   = "2001:db8:2::2"
)

// World is the three hosts.
type World struct {
	Near, Router, Far *Namespace
}

// New makes a world that lasts as long as the test; where the machine allows
// no namespaces, the test is skipped.
func New(t testing.TB) *World {
	t.Helper()
	w := &World{
		Near:   NewNamespace(t, "near"),
		Router: NewNamespace(t, "router"),
		Far:    NewNamespace(t, "far"),
	}
	err := w.join()
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// step is one command, run inside one of the hosts.
type step struct {
	host *Namespace
	args []string
}

func (w *World) join() error {
	steps := slices.Concat(w.links(), w.addresses(), w.behaviour())
	for _, s := range steps {
		err := s.host.Run(s.args...)
		if err != nil {
			return err
		}
	}
	return w.Near.SetFile("/etc/resolv.conf", fmt.Sprintf("nameserver %v\n", Resolver4))
}

// links are the steps that join the hosts.
func (w *World) links() []step {
	pid := func(n *Namespace) string { return fmt.Sprint(n.holder.Process.Pid) }
	var steps []step
	for _, n := range []*Namespace{w.Near, w.Router, w.Far} {
		// Duplicate address detection keeps a new link's own address unusable,
		// and so neighbour discovery silent, for a second or two.
		steps = append(steps, step{n, []string{"sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0", "net.ipv6.conf.all.accept_dad=0"}})
	}
	return append(steps, []step{
		{w.Router, []string{"ip", "link", "add", "to-near", "type", "veth", "peer", "name", "eth0", "netns", pid(w.Near)}},
		{w.Router, []string{"ip", "link", "add", "to-far", "type", "veth", "peer", "name", "eth0", "netns", pid(w.Far)}},
		{w.Router, []string{"sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"}},
	}...)
}

// addresses are the steps that give the hosts their addresses and routes.
func (w *World) addresses() []step {
	steps := slices.Concat(
		interfaceSteps(w.Near, "eth0", Near4.String(), Near6.String()),
		interfaceSteps(w.Router, "to-near", Router4.String(), Router6.String()),
		interfaceSteps(w.Router, "to-far", routerFar4, routerFar6),
		interfaceSteps(w.Far, "eth0", farVeth4, farVeth6),
		// The far host has no default route: what it does not hold is unreachable.
		routes(w.Near, "default", Router4.String(), "default", Router6.String()),
		routes(w.Router, "default", farVeth4, "default", farVeth6),
		routes(w.Far, "192.0.2.0/24", routerFar4, "2001:db8:1::/64", routerFar6),
	)
	for _, a := range append([]netip.Addr{Far4, Far6, Resolver4}, Public...) {
		prefix := netip.PrefixFrom(a, a.BitLen()).String()
		steps = append(steps, addressStep(w.Far, prefix, "lo"))
	}
	return steps
}

// behaviour are the steps after which the hosts answer at once and always.
func (w *World) behaviour() []step {
	var steps []step
	// ICMP errors are rate limited to one a second a peer by default;
	// traceroute sends faster. For v4 no type is limited: a limit of 0 would
	// take away the tokens of "unreachable" errors, which have a limit of
	// their own (net/ipv4/route.c, ip_error).
	for _, n := range []*Namespace{w.Router, w.Far} {
		steps = append(steps, step{n, []string{"sysctl", "-qw", "net.ipv4.icmp_ratemask=0", "net.ipv6.icmp.ratelimit=0"}})
	}
	// New links find their neighbours after a second or so by IPv6: the first
	// packets of a program would wait for it or be lost.
	for _, a := range []netip.Addr{Far4, Far6} {
		steps = append(steps, step{w.Near, []string{"ping", "-n", "-q", "-i", "0.2", "-c", "1", "-w", "10", a.String()}})
	}
	return steps
}

// interfaceSteps give an interface its addresses.
func interfaceSteps(n *Namespace, name, addr4, addr6 string) []step {
	return []step{
		addressStep(n, addr4+"/24", name),
		addressStep(n, addr6+"/64", name),
		{n, []string{"ip", "link", "set", name, "up"}},
	}
}

// addressStep gives an interface an address that can be bound at once: without
// nodad the kernel takes it into use in a worker of its own, also where it
// detects no duplicates, and on a busy machine that takes its time.
func addressStep(n *Namespace, prefix, name string) step {
	args := []string{"ip", "addr", "add", prefix, "dev", name}
	if netip.MustParsePrefix(prefix).Addr().Is6() {
		args = append(args, "nodad")
	}
	return step{n, args}
}

func routes(n *Namespace, dst4, gateway4, dst6, gateway6 string) []step {
	return []step{
		{n, []string{"ip", "route", "add", dst4, "via", gateway4}},
		{n, []string{"ip", "-6", "route", "add", dst6, "via", gateway6}},
	}
}
