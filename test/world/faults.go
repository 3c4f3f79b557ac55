package world

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
)

// IgnoreEcho makes the far host's kernel drop, or again answer, every IPv4
// and IPv6 echo request.
func (w *World) IgnoreEcho(on bool) error {
	value := "0"
	if on {
		value = "1"
	}
	return w.Far.Run("sysctl", "-qw", "net.ipv4.icmp_echo_ignore_all="+value, "net.ipv6.icmp.echo_ignore_all="+value)
}

// Drop makes the router drop silently, or again forward, what goes to a.
func (w *World) Drop(a netip.Addr, on bool) error {
	return w.route("blackhole", a, on)
}

// Reject makes the router answer "host unreachable", or again forward, what
// goes to a.
func (w *World) Reject(a netip.Addr, on bool) error {
	return w.route("unreachable", a, on)
}

// Prohibit makes the router answer "administratively prohibited", or again
// forward, what goes to a.
func (w *World) Prohibit(a netip.Addr, on bool) error {
	return w.route("prohibit", a, on)
}

// NarrowPath sets the MTU of the link behind the router, in bytes: larger packets
// of near's meet it on their way.
func (w *World) NarrowPath(mtu int) error {
	err := w.Router.Run("ip", "link", "set", "to-far", "mtu", fmt.Sprint(mtu))
	if err != nil {
		return err
	}
	return w.Far.Run("ip", "link", "set", "eth0", "mtu", fmt.Sprint(mtu))
}

// AllowPingSockets lets every group of this host have ICMP echo sockets.
func (n *Namespace) AllowPingSockets() error {
	groups := "0 2147483647"
	if InUserNamespace() {
		groups = "0 0" // it has no other group
	}
	// One argument: the file takes the two numbers together.
	return n.Run("sysctl", "-qw", "net.ipv4.ping_group_range="+groups)
}

func (w *World) route(kind string, a netip.Addr, on bool) error {
	verb := "del"
	if on {
		verb = "add"
	}
	return w.Router.Run("ip", "route", verb, kind, netip.PrefixFrom(a, a.BitLen()).String())
}

// EchoRequests is how many ICMP and ICMPv6 echo requests the host's kernel
// has received.
func (n *Namespace) EchoRequests() (v4, v6 uint64, err error) {
	var snmp, snmp6 []byte
	err = n.Do(func() (err error) {
		snmp, err = os.ReadFile("/proc/thread-self/net/snmp")
		if err != nil {
			return err
		}
		snmp6, err = os.ReadFile("/proc/thread-self/net/snmp6")
		return err
	})
	if err != nil {
		return 0, 0, err
	}
	v4, err = tableCounter(string(snmp), "Icmp:", "InEchos")
	if err != nil {
		return 0, 0, err
	}
	v6, err = lineCounter(string(snmp6), "Icmp6InEchos")
	return v4, v6, err
}

// tableCounter reads a counter of /proc/net/snmp: a line of names and a line
// of values, both with the same first word.
func tableCounter(text, table, name string) (uint64, error) {
	column := -1
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if fields[0] != table {
			continue
		}
		if column >= 0 {
			return strconv.ParseUint(fields[column], 10, 64)
		}
		column = slices.Index(fields, name)
	}
	return 0, fmt.Errorf("/proc/net/snmp has no %s %s", table, name)
}

// lineCounter reads a counter of /proc/net/snmp6: a name and a value a line.
func lineCounter(text, name string) (uint64, error) {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if fields[0] == name {
			return strconv.ParseUint(fields[1], 10, 64)
		}
	}
	return 0, fmt.Errorf("/proc/net/snmp6 has no %s", name)
}
