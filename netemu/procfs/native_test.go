package procfs

import (
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"netbox/netemu/link"
	"netbox/netemu/netlink"
	"netbox/netemu/netlink/netnstest"
	"netbox/netemu/stack"
)

// host is the sandbox's host as netnstest makes it, with the sockets of this
// process.
type host struct {
	interfaces []stack.Interface
	routes     []stack.Route
	sockets    []netlink.Socket
	netlinks   []NetlinkSocket
	groups     []stack.Group
}

func (h *host) Interfaces() []stack.Interface   { return h.interfaces }
func (h *host) Groups() []stack.Group           { return h.groups }
func (h *host) Counters() map[string]uint64     { return nil }
func (h *host) NetlinkSockets() []NetlinkSocket { return h.netlinks }

func (h *host) Limits() stack.Limits { return (*stack.Stack)(nil).Limits() }

func (h *host) Routes() []stack.Route { return h.routes }

func (h *host) Sockets(table, family uint8) []netlink.Socket {
	var list []netlink.Socket
	for _, s := range h.sockets {
		of := s.Protocol
		if s.Raw {
			of = unix.IPPROTO_RAW
		}
		if of == table && s.Family == family {
			list = append(list, s)
		}
	}
	return list
}

// sandbox is the sandbox's host: what netnstest sets up.
func sandbox(t *testing.T) *host {
	t.Helper()
	near, far := link.New(0)
	t.Cleanup(far.Close)
	s, err := stack.NewHost(stack.HostConfig{
		Link:     near,
		Addrs:    []netip.Prefix{netip.MustParsePrefix("10.0.2.100/24"), netip.MustParsePrefix("fd00:2::64/64")},
		Gateways: []netip.Addr{netip.MustParseAddr("10.0.2.2"), netip.MustParseAddr("fd00:2::2")},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return &host{interfaces: s.Interfaces(), routes: s.Routes()}
}

// maker makes sockets in this process and notes what they are.
type maker struct {
	t *testing.T
	h *host
}

func (m maker) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m maker) socket(family, typ, protocol int) int {
	fd, err := unix.Socket(family, typ|unix.SOCK_CLOEXEC, protocol)
	m.must(err)
	m.t.Cleanup(func() { unix.Close(fd) })
	return fd
}

func (m maker) note(fd int, s netlink.Socket) {
	var st unix.Stat_t
	m.must(unix.Fstat(fd, &st))
	s.Inode, s.UID = uint32(st.Ino), uint32(os.Getuid())
	m.h.sockets = append(m.h.sockets, s)
}

func (m maker) tcp() {
	at := netip.MustParseAddrPort("127.0.0.1:8080")
	l := m.socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	m.must(unix.SetsockoptInt(l, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1))
	m.must(unix.Bind(l, &unix.SockaddrInet4{Port: 8080, Addr: at.Addr().As4()}))
	m.must(unix.Listen(l, 5))
	m.note(l, netlink.Socket{Family: unix.AF_INET, Protocol: unix.IPPROTO_TCP, State: stateListen, Local: at, SendQueue: 5})
	from := netip.MustParseAddrPort("127.0.0.1:9000")
	c := m.socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	m.must(unix.Bind(c, &unix.SockaddrInet4{Port: 9000, Addr: from.Addr().As4()}))
	m.must(unix.Connect(c, &unix.SockaddrInet4{Port: 8080, Addr: at.Addr().As4()}))
	m.note(c, netlink.Socket{Family: unix.AF_INET, Protocol: unix.IPPROTO_TCP, State: 1, Local: from, Remote: at})
	a, _, err := unix.Accept(l)
	m.must(err)
	m.t.Cleanup(func() { unix.Close(a) })
	_, err = unix.Write(c, []byte("xyz"))
	m.must(err)
	m.note(a, netlink.Socket{Family: unix.AF_INET, Protocol: unix.IPPROTO_TCP, State: 1, Local: at, Remote: from, ReceiveQueue: 3})
	l6 := m.socket(unix.AF_INET6, unix.SOCK_STREAM, 0)
	m.must(unix.Bind(l6, &unix.SockaddrInet6{Port: 8081}))
	m.must(unix.Listen(l6, 7))
	m.note(l6, netlink.Socket{Family: unix.AF_INET6, Protocol: unix.IPPROTO_TCP, State: stateListen, Local: netip.MustParseAddrPort("[::]:8081"), SendQueue: 7})
}

func (m maker) datagrams() {
	u := m.socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	m.must(unix.Bind(u, &unix.SockaddrInet4{Port: 5353}))
	m.note(u, netlink.Socket{Family: unix.AF_INET, Protocol: unix.IPPROTO_UDP, State: stateClose, Local: netip.MustParseAddrPort("0.0.0.0:5353")})
	local, remote := netip.MustParseAddr("fd00:2::64"), netip.MustParseAddr("fd00:2::2")
	u6 := m.socket(unix.AF_INET6, unix.SOCK_DGRAM, 0)
	m.must(unix.Bind(u6, &unix.SockaddrInet6{Port: 5353, Addr: local.As16()}))
	m.must(unix.Connect(u6, &unix.SockaddrInet6{Port: 53, Addr: remote.As16()}))
	m.note(u6, netlink.Socket{
		Family: unix.AF_INET6, Protocol: unix.IPPROTO_UDP, State: 1,
		Local: netip.AddrPortFrom(local, 5353), Remote: netip.AddrPortFrom(remote, 53),
	})
	m.note(m.socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP),
		netlink.Socket{Family: unix.AF_INET, Protocol: unix.IPPROTO_ICMP, Raw: true, State: stateClose})
	m.note(m.socket(unix.AF_INET6, unix.SOCK_RAW, unix.IPPROTO_ICMPV6),
		netlink.Socket{Family: unix.AF_INET6, Protocol: unix.IPPROTO_ICMPV6, Raw: true, State: stateClose})
	ping := m.socket(unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_ICMP)
	m.must(unix.Bind(ping, &unix.SockaddrInet4{Port: 7, Addr: [4]byte{127, 0, 0, 1}}))
	m.note(ping, netlink.Socket{Family: unix.AF_INET, Protocol: unix.IPPROTO_ICMP, State: stateClose, Local: netip.MustParseAddrPort("127.0.0.1:7")})
	group := netip.MustParseAddr("239.1.2.3")
	m.must(unix.SetsockoptIPMreqn(u, unix.SOL_IP, unix.IP_ADD_MEMBERSHIP, &unix.IPMreqn{Multiaddr: group.As4(), Ifindex: 2}))
	m.h.groups = append(m.h.groups, stack.Group{NIC: 2, Addr: group, Users: 1})
}

// expression rewrites what no two hosts have in common.
type expression struct {
	re   *regexp.Regexp
	with string
}

func mask(re, with string) expression { return expression{regexp.MustCompile(re), with} }

var (
	pointer = mask(`\b[0-9a-f]{16}\b`, "POINTER")
	bucket  = mask(`(?m)^ *\d+:`, "BUCKET:")
	numbers = mask(`\b\d+\b`, "N")
	// Timeouts, acks and window: the stacks' own.
	tcpEnd = mask(`(?m) \d+ \d+ \d+ \d+ -?\d+ *$`, " END")
	// The second last number of a route's line but two.
	references = mask(`(?m)( [0-9a-f]{8}) [0-9a-f]{8}( [0-9a-f]{8} [0-9a-f]{8} +\w+)$`, "$1 REF$2")
	// Counters that come with messages that were seen.
	seenTypes = mask(`(?m)^Icmp6\w+Type\d+.*\n`, "")
	values    = mask(`\t\d+\n`, "\tN\n")
	values2   = mask(`(?m)^(\w+): [-\d ]+$`, "$1: VALUES")
	mptcp     = mask(`(?m)^(MPTcpExt|IcmpMsg): .*\n`, "")
	modules   = mask(`(?m)^(AF_VSOCK|PACKET|MPTCP|MPTCPv6|UDPLITEv6|XDP|UNIX-STREAM|UNIX|UDP-Lite|SMC\w*|TIPC|XDP|KEY|SCTP\w*|HCI|\S*BT\S*) .*\n`, "")
	memory    = mask(`(?m)^(\S+ +)\d+( +\d+) +\S+`, "${1}SIZE$2 MEM")
	handlers  = mask(`(?m)^(0004|0003|88..|.* pack.*) .*\n`, "")
	kernelOf  = mask(`(?m)^POINTER (6|9|10|12|15|16|18|20|21|22) .*\n`, "")
	inodes    = mask(`(?m) \d+ *$`, " INODE")
	tcpUsers  = mask(`\b\d+ POINTER`, "N POINTER")
	// The group of eth0's address is joined when duplicates were looked for,
	// which there is no ARP for here.
	solicits = mask(`(?m)^.*0001ff000064 .*\n`, "")
	macs     = mask(`(?m)^.* 3333ff000064\n`, "")
	autoPort = mask(`(?m)^(POINTER 0   +)\d{5,}( +)`, "${1}PORT$2")
)

// compared are the files and what is rewritten in both texts before they are
// compared. Lines about the far end of eth0 are left out of the kernel's.
var compared = map[string][]expression{
	"tcp": {pointer, tcpEnd, bucket, tcpUsers}, "tcp6": {pointer, tcpEnd, tcpUsers},
	"udp": {pointer, bucket}, "udp6": {pointer, bucket}, "udplite": nil, "udplite6": nil,
	"raw": {pointer, bucket}, "raw6": {pointer, bucket}, "icmp": {pointer, bucket}, "icmp6": {pointer},
	"dev": nil, "dev_mcast": {macs}, "if_inet6": nil, "route": nil, "ipv6_route": {references},
	"igmp": nil, "igmp6": {solicits}, "arp": nil, "anycast6": nil, "mcfilter": nil, "mcfilter6": nil, "ip6_flowlabel": nil,
	"rt_cache": nil, "rt_acct": nil, "psched": nil, "unix": {mask(`(?m)^.*: .*\n`, "")}, "packet": {pointer},
	"ptype": {handlers}, "rt6_stats": {mask(`\b[0-9a-f]{4}\b`, "N")}, "softnet_stat": {mask(`\b[0-9a-f]{8}\b`, "N")},
	"sockstat": {numbers}, "sockstat6": nil, "netlink": {pointer, kernelOf, inodes, autoPort},
	"snmp": {mptcp, values2}, "netstat": {mptcp, values2}, "snmp6": {seenTypes, values},
	"dev_snmp6/eth0": {seenTypes, values}, "protocols": {modules, memory},
}

// unordered are the files whose lines come in the order of a hash table, or of
// modules.
var unordered = []string{"tcp", "if_inet6", "dev_mcast", "netlink", "protocols"}

// TestNative compares the files of /proc/net with the kernel's, in a network
// namespace that looks like the sandbox.
func TestNative(t *testing.T) {
	netnstest.NeedRelease(t)
	if !netnstest.Run(t) {
		return
	}
	m := maker{t, sandbox(t)}
	m.tcp()
	m.datagrams()
	for name := range netFiles {
		if _, ok := compared[name]; !ok {
			t.Errorf("/proc/net/%s is not compared", name)
		}
	}
	for name, rewrite := range compared {
		t.Run(strings.ReplaceAll(name, "/", "_"), func(t *testing.T) {
			kernel, err := os.ReadFile("/proc/self/net/" + name)
			if err != nil {
				t.Fatal(err)
			}
			m.h.count(string(kernel), name)
			n, ok := Lookup(m.h, "/proc/net/"+name)
			if !ok {
				t.Fatal("not there")
			}
			want, got := withoutPeer(string(kernel)), string(n.Read(m.h))
			if w, g := widths(want), widths(got); strings.HasPrefix(name, "tcp") && w != g {
				t.Errorf("lines of %s characters, want %s", g, w)
			}
			for _, e := range rewrite {
				want, got = e.re.ReplaceAllString(want, e.with), e.re.ReplaceAllString(got, e.with)
			}
			if slices.Contains(unordered, name) {
				want, got = sorted(want), sorted(got)
			}
			if got != want {
				t.Errorf("%q\nwant\n%q", got, want)
			}
		})
	}
}

// count takes the packet counts over that the kernel tells in /proc/net/dev.
func (h *host) count(text, name string) {
	if name != "dev" {
		return
	}
	for k := range h.interfaces {
		i := &h.interfaces[k]
		_, rest, _ := strings.Cut(text, i.Name+":")
		f := strings.Fields(rest)
		n := func(at int) uint64 { v, _ := strconv.ParseUint(f[at], 10, 64); return v }
		i.Stats = stack.InterfaceStats{RxBytes: n(0), RxPackets: n(1), TxBytes: n(8), TxPackets: n(9)}
	}
}

// withoutPeer leaves out the lines about the far end of eth0, and those that
// follow a line of it in igmp.
func withoutPeer(text string) string {
	var kept []string
	inPeer := false
	for _, line := range strings.SplitAfter(text, "\n") {
		isPeer := strings.Contains(line, netnstest.PeerName)
		if inPeer = isPeer || inPeer && strings.HasPrefix(line, "\t"); !inPeer {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

func widths(text string) string {
	var all []int
	for _, line := range strings.Split(text, "\n") {
		all = append(all, len(line))
	}
	// The numbers at the end of a line may have more or fewer digits; where it
	// is padded they do not count.
	if slices.Max(all) == 149 {
		return fmt.Sprint(all)
	}
	return fmt.Sprint(len(all))
}

func sorted(text string) string {
	lines := strings.SplitAfter(text, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// ofModules are the files of /proc/sys/net that come with modules, or that
// cannot be read and are left out.
var ofModules = regexp.MustCompile(`^(bridge|netfilter|mptcp|nf_conntrack_max|sctp|mpls|smc|tipc|dccp|vsock|x25|ax25|rds|llc)(/|$)|/peer/|nf_conntrack|stable_secret|^core/(bpf_jit|busy|dev_weight|default_qdisc|devconf|fb_tunnels|flow_limit|gro_normal|high_order|max_skb_frags|mem_pcpu|message|netdev|rps_sock|skb_defer|tstamp_prequeue|warnings|rps_default)|^ipv4/(ipfrag_secret|tcp_mem|udp_mem|tcp_max_orphans|cipso|inet_peer|icmp_msgs|route/(error|gc|max_size|min_pmtu_old|redirect|mtu_old))|^ipv6/(calipso|ip6frag_secret)|^unix/bpf`)

// ofRoot are those that a network namespace has only in the first user
// namespace.
var ofRoot = regexp.MustCompile(`^(core/xfrm_|ipv6/route/)`)

// TestNativeSysctl compares names, modes and the number of values of
// /proc/sys/net.
func TestNativeSysctl(t *testing.T) {
	netnstest.NeedRelease(t)
	if !netnstest.Run(t) {
		return
	}
	h := sandbox(t)
	const dir = "/proc/sys/net"
	seen := map[string]bool{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name := path[len(dir)+1:]
		info, err := e.Info()
		if err != nil {
			return err
		}
		seen[name] = true
		n, ok := sysctlNode(h, name)
		if !ok {
			if !ofModules.MatchString(name) {
				t.Errorf("%s is missing", name)
			}
			return nil
		}
		if n.Mode != info.Mode().Perm() {
			t.Errorf("%s: mode %v, want %v", name, n.Mode, info.Mode().Perm())
		}
		if kernel, err := os.ReadFile(path); err == nil {
			want, got := len(strings.Fields(string(kernel))), len(strings.Fields(string(n.Read(h))))
			if want != got && !strings.Contains(name, "congestion_control") {
				t.Errorf("%s: %d values, want %d", name, got, want)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range sysctlNames(h) {
		if !seen[name] && !ofRoot.MatchString(name) {
			t.Errorf("%s is not Linux's", name)
		}
	}
}

// deviceLacks are the files of an interface in sysfs that are left out: what
// fails to be read for virtual devices, queues and power.
var deviceLacks = regexp.MustCompile(`^(speed|duplex|phys_.*|queues/.*|power/.*|device/?.*|upper_.*|lower_.*|brport.*)$`)

// deviceDiffers are those whose values are a veth's own, or counts.
var deviceDiffers = regexp.MustCompile(`^(eth0/(iflink|carrier_.*))$|/statistics/`)

// TestNativeDevice compares the files of /sys/class/net: sysfs shows the
// network namespace that it was mounted from.
func TestNativeDevice(t *testing.T) {
	netnstest.NeedRelease(t)
	if !netnstest.Run(t) {
		return
	}
	root := t.TempDir()
	runtime.LockOSThread() // for good: the thread's mounts are its own
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		t.Logf("not compared: no mount namespace: %v", err)
		return
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Logf("not compared: no private mounts: %v", err)
		return
	}
	if err := unix.Mount("sysfs", root, "sysfs", 0, ""); err != nil {
		t.Logf("not compared: no sysfs: %v", err)
		return
	}
	// Not left to the folder's removal.
	defer unix.Unmount(root, unix.MNT_DETACH)
	h := sandbox(t)
	for _, i := range h.interfaces {
		dir := filepath.Join(root, "devices/virtual/net", i.Name)
		err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			compareAttribute(t, h, i.Name, path, path[len(dir)+1:], e)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range deviceNames(h) {
		if _, err := os.Lstat(filepath.Join(root, "devices/virtual/net", name)); err != nil {
			t.Error(err)
		}
	}
}

func compareAttribute(t *testing.T, h *host, device, path, name string, e fs.DirEntry) {
	t.Helper()
	n, ok := deviceNode(h, device+"/"+name)
	if !ok {
		if !deviceLacks.MatchString(name) {
			t.Errorf("%s is missing", name)
		}
		return
	}
	if info, err := e.Info(); err != nil || info.Mode().Type() != n.Mode.Type() || info.Mode().Perm() != n.Mode.Perm() {
		t.Errorf("%s: mode %v, want %v, %v", name, n.Mode, info.Mode(), err)
	}
	if n.Link != "" {
		if target, err := os.Readlink(path); target != n.Link {
			t.Errorf("%s leads to %s, want %s, %v", name, n.Link, target, err)
		}
		return
	}
	kernel, err := os.ReadFile(path)
	if got := string(n.Read(h)); (err != nil || string(kernel) != got) && !deviceDiffers.MatchString(device+"/"+name) {
		t.Errorf("%s/%s: %q, want %q, %v", device, name, got, kernel, err)
	}
}
