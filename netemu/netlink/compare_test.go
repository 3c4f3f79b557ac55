package netlink

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"netbox/netemu/netlink/netnstest"
)

// question is a request whose whole answer is compared with the kernel's.
type question struct {
	name    string
	request []byte
	options []int
}

const (
	get     = unix.NLM_F_REQUEST
	dumping = unix.NLM_F_REQUEST | unix.NLM_F_DUMP
)

func attr(typ int, value []byte) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(unix.SizeofNlAttr+len(value)))
	b = binary.NativeEndian.AppendUint16(b, uint16(typ))
	return append(b, value...)
}

func word(v uint32) []byte { return binary.NativeEndian.AppendUint32(nil, v) }

// zeros is an empty header, but for the family.
func zeros(size int, family byte) []byte {
	b := make([]byte, size)
	b[0] = family
	return b
}

func indexed(size int, family, index byte) []byte {
	b := zeros(size, family)
	b[4] = index
	return b
}

func rtm(family byte, flags uint32, fields map[int]byte) []byte {
	b := zeros(unix.SizeofRtMsg, family)
	for at, v := range fields {
		b[at] = v
	}
	binary.NativeEndian.PutUint32(b[rtmFlags:], flags)
	return b
}

var strict = []int{unix.NETLINK_GET_STRICT_CHK, unix.NETLINK_EXT_ACK}

// questions are what getifaddrs, iproute2, Go and others ask.
func questions() []question {
	in, in6 := byte(unix.AF_INET), byte(unix.AF_INET6)
	lookup := func(name string, family byte, flags uint32, attrs ...[]byte) question {
		bits := byte(32)
		if family == in6 {
			bits = 128
		}
		parts := append([][]byte{rtm(family, flags, map[int]byte{rtmDstLen: bits})}, attrs...)
		return question{name, message(unix.RTM_GETROUTE, get, parts...), nil}
	}
	dst := func(b ...byte) []byte { return attr(unix.RTA_DST, b) }
	six := func(first, last byte) []byte { b := make([]byte, 16); b[0], b[15] = first, last; return b }
	own6 := []byte{0xfd, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x64}
	return []question{
		{"links, 17 bytes as Go asks", message(unix.RTM_GETLINK, dumping, []byte{0}), nil},
		{"links, padded as glibc asks", message(unix.RTM_GETLINK, dumping, make([]byte, 4)), nil},
		{"links, ifinfomsg", message(unix.RTM_GETLINK, dumping, make([]byte, 16)), nil},
		{"links as iproute2 asks", message(unix.RTM_GETLINK, dumping, make([]byte, 16), attr(unix.IFLA_EXT_MASK, word(9))), strict},
		{"links of IPv6", message(unix.RTM_GETLINK, dumping, zeros(16, in6)), nil},
		{"links of a master", message(unix.RTM_GETLINK, dumping, make([]byte, 16), attr(unix.IFLA_MASTER, word(2))), strict},
		{"link by index", message(unix.RTM_GETLINK, get, indexed(16, 0, 2)), nil},
		{"lo by name", message(unix.RTM_GETLINK, get, make([]byte, 16), attr(unix.IFLA_IFNAME, []byte("lo\x00"))), strict},
		{"eth0 by alternative name, ack", message(unix.RTM_GETLINK, get|unix.NLM_F_ACK, make([]byte, 16),
			attr(unix.IFLA_ALT_IFNAME, []byte("eth0\x00"))), strict},
		{"link by unknown name", message(unix.RTM_GETLINK, get, make([]byte, 16), attr(unix.IFLA_IFNAME, []byte("nix0\x00"))), strict},
		{"addresses", message(unix.RTM_GETADDR, dumping, []byte{0}), nil},
		{"addresses, rtgenmsg padded", message(unix.RTM_GETADDR, dumping, make([]byte, 4)), nil},
		{"addresses with ack as dnsmasq asks", message(unix.RTM_GETADDR, dumping|unix.NLM_F_ACK, make([]byte, 8)), nil},
		{"IPv4 addresses", message(unix.RTM_GETADDR, dumping, zeros(8, in)), nil},
		{"IPv6 addresses", message(unix.RTM_GETADDR, dumping, zeros(8, in6)), nil},
		{"addresses of eth0", message(unix.RTM_GETADDR, dumping, indexed(8, 0, 2)), strict},
		{"addresses of no interface", message(unix.RTM_GETADDR, dumping, indexed(8, in, 9)), strict},
		{"one IPv6 address", message(unix.RTM_GETADDR, get, zeros(8, in6), attr(unix.IFA_ADDRESS, own6)), nil},
		{"routes", message(unix.RTM_GETROUTE, dumping, []byte{0}), nil},
		{"IPv4 routes", message(unix.RTM_GETROUTE, dumping, zeros(12, in)), nil},
		{"IPv6 routes", message(unix.RTM_GETROUTE, dumping, zeros(12, in6)), nil},
		{"IPv4 main table", message(unix.RTM_GETROUTE, dumping, rtm(in, 0, map[int]byte{rtmTable: 254})), strict},
		{"IPv6 main table by attribute", message(unix.RTM_GETROUTE, dumping, zeros(12, in6), attr(unix.RTA_TABLE, word(254))), strict},
		{"local table", message(unix.RTM_GETROUTE, dumping, zeros(12, 0), attr(unix.RTA_TABLE, word(255))), strict},
		{"routes by lo", message(unix.RTM_GETROUTE, dumping, zeros(12, 0), attr(unix.RTA_OIF, word(1))), strict},
		{"kernel's routes", message(unix.RTM_GETROUTE, dumping, rtm(0, 0, map[int]byte{rtmProtocol: 2})), strict},
		{"multicast routes", message(unix.RTM_GETROUTE, dumping, rtm(0, 0, map[int]byte{rtmType: 5})), strict},
		{"route cache", message(unix.RTM_GETROUTE, dumping, rtm(0, unix.RTM_F_CLONED, nil)), strict},
		{"prefix routes", message(unix.RTM_GETROUTE, dumping, rtm(0, unix.RTM_F_PREFIX, nil)), strict},
		{"table that is not", message(unix.RTM_GETROUTE, dumping, rtm(in, 0, map[int]byte{rtmTable: 100})), strict},
		{"table that is not, IPv6", message(unix.RTM_GETROUTE, dumping, rtm(in6, 0, map[int]byte{rtmTable: 100})), strict},
		lookup("way to 8.8.8.8", in, unix.RTM_F_LOOKUP_TABLE, dst(8, 8, 8, 8)),
		lookup("way to 8.8.8.8 from 10.0.2.100", in, 0, dst(8, 8, 8, 8), attr(unix.RTA_SRC, []byte{10, 0, 2, 100})),
		lookup("way from a foreign address", in, 0, dst(8, 8, 8, 8), attr(unix.RTA_SRC, []byte{1, 2, 3, 4})),
		lookup("way to a neighbour", in, unix.RTM_F_LOOKUP_TABLE, dst(10, 0, 2, 9)),
		lookup("way to oneself", in, unix.RTM_F_LOOKUP_TABLE, dst(10, 0, 2, 100)),
		lookup("way to oneself, no table", in, 0, dst(10, 0, 2, 100)),
		lookup("way to 127.1.2.3", in, 0, dst(127, 1, 2, 3)),
		lookup("way to the broadcast address", in, unix.RTM_F_LOOKUP_TABLE, dst(10, 0, 2, 255)),
		lookup("way to 255.255.255.255", in, 0, dst(255, 255, 255, 255)),
		lookup("way to 224.0.0.1", in, 0, dst(224, 0, 0, 1)),
		lookup("way to nowhere told", in, 0),
		lookup("way by eth0", in, 0, dst(8, 8, 8, 8), attr(unix.RTA_OIF, word(2))),
		lookup("way by no interface", in, 0, dst(8, 8, 8, 8), attr(unix.RTA_OIF, word(9))),
		lookup("row for 8.8.8.8", in, unix.RTM_F_FIB_MATCH, dst(8, 8, 8, 8)),
		lookup("row for 10.0.2.9", in, unix.RTM_F_FIB_MATCH, dst(10, 0, 2, 9)),
		lookup("way to 2001::8", in6, unix.RTM_F_LOOKUP_TABLE, attr(unix.RTA_DST, six(0x20, 8))),
		lookup("way to an IPv6 neighbour", in6, 0, attr(unix.RTA_DST, append(slices.Clone(own6[:15]), 9))),
		lookup("way to oneself, IPv6", in6, 0, attr(unix.RTA_DST, own6)),
		lookup("way to ::1", in6, 0, attr(unix.RTA_DST, six(0, 1))),
		lookup("way to ff02::1", in6, 0, attr(unix.RTA_DST, append([]byte{0xff, 2}, six(0, 1)[2:]...))),
		lookup("row for 2001::8", in6, unix.RTM_F_FIB_MATCH, attr(unix.RTA_DST, six(0x20, 8))),
		{"rules", message(unix.RTM_GETRULE, dumping, make([]byte, 12)), nil},
		{"IPv4 rules", message(unix.RTM_GETRULE, dumping, zeros(12, in)), strict},
		{"IPv6 rules", message(unix.RTM_GETRULE, dumping, zeros(12, in6)), strict},
		{"neighbours", message(unix.RTM_GETNEIGH, dumping, make([]byte, 12)), strict},
		{"namespace ids", message(unix.RTM_GETNSID, dumping, make([]byte, 4)), strict},
		{"id of a namespace", message(unix.RTM_GETNSID, get, make([]byte, 4), attr(2, word(1))), nil},
		{"IPv4 settings", message(unix.RTM_GETNETCONF, dumping, zeros(4, in)), nil},
		{"IPv6 settings", message(unix.RTM_GETNETCONF, dumping, zeros(4, in6)), nil},
		{"settings of lo", message(unix.RTM_GETNETCONF, get, zeros(4, in), attr(netconfaIfindex, word(1))), nil},
		{"queueing disciplines", message(unix.RTM_GETQDISC, dumping, make([]byte, 20)), nil},
		{"nexthops", message(unix.RTM_GETNEXTHOP, dumping, make([]byte, 8)), nil},
		{"zeros behind the message", append(message(unix.RTM_GETADDR, dumping, make([]byte, 8)), make([]byte, 128)...), nil},
	}
}

// difference is where the server's answers differ from the kernel's and why.
// Attr is an attribute's path, or "header", "flags", or "missing row",
// question limits it to one question ("" for all).
type difference struct{ question, attr, reason string }

const (
	counting = "counters move, and the kernel's begin before the test's"
	isVeth   = "eth0 here is a veth, in the sandbox no kind of device"
	veth     = "a veth starts without a carrier, until its peer is up"
	aging    = "time of the kernel's record, in hundredths of a second since boot"
	inProc   = "IPv6 settings and counters: in /proc, read by nobody here"
	solicits = "IF_RS_SENT: the sandbox asks for no routers"
	caller   = "uid of the caller, which the server does not know"
)

var differences = []difference{
	{"", "16/18/1", isVeth}, {"", "16/5", isVeth},
	{"", "16/23", counting}, {"", "16/7", counting},
	{"", "16/26/10/2", inProc}, {"", "16/26/10/3", inProc}, {"", "16/26/10/6", inProc}, {"", "16/26/10/5", aging},
	{"", "16/26/10/1", solicits}, {"", "16/12/1", solicits},
	{"", "16/35", veth}, {"", "16/48", veth},
	{"", "20/6", aging}, {"", "24/25", caller}, {"", "24/12", "how many packets' paths refer to the kernel's row"},
	{"", "16/12/2", inProc}, {"", "16/12/3", inProc}, {"", "16/12/6", inProc},
	{"", "16/12/5", aging},
	{"", "16/62", "no devlink ports"}, {"", "16/65", "no clocks (DPLL)"},
}

// foreign says whether a row of the kernel is about what the sandbox has not:
// the far end of eth0, tables for multicast routing, and what the kernel itself
// has sent.
func foreign(d decoded) bool {
	index := fmt.Sprintf("%x", word(netnstest.PeerIndex))
	switch d.typ {
	case unix.RTM_NEWLINK, unix.RTM_NEWQDISC, unix.RTM_NEWADDR:
		return d.header[8:16] == index
	case unix.RTM_NEWNEIGH:
		return d.header[16:20] == "4000" // NUD_NOARP: where the kernel's own IGMP and MLD reports went
	case unix.RTM_NEWRULE:
		return d.header[:2] == "80" || d.header[:2] == "81" // RTNL_FAMILY_IPMR, RTNL_FAMILY_IP6MR
	case unix.RTM_NEWROUTE:
		return d.attr("24/4") == index
	case unix.RTM_NEWNETCONF:
		return d.attr("80/1") == index
	}
	return false
}

// TestAnswersAsLinux asks the kernel and the server the same questions in the
// same place; their answers are the same but for the listed differences, each
// of which is seen.
func TestAnswersAsLinux(t *testing.T) {
	netnstest.NeedRelease(t)
	if !netnstest.Run(t) {
		return
	}
	seen := map[difference]bool{}
	for _, q := range questions() {
		kernel, server := openKernel(t), openServer(t, sandbox(t))
		answers := [2][]decoded{}
		for i, p := range []peer{kernel, server} {
			p.set(t, q.options...)
			datagrams, port := p.ask(t, q.request)
			answers[i] = decode(t, datagrams, port, 7)
		}
		want := slices.DeleteFunc(answers[0], foreign)
		compare(t, q.name, want, answers[1], seen)
	}
	for _, d := range differences {
		if !seen[d] {
			t.Errorf("listed, but not seen: %+v", d)
		}
	}
}

func compare(t *testing.T, name string, want, got []decoded, seen map[difference]bool) {
	t.Helper()
	if len(want) != len(got) {
		t.Errorf("%s: %d messages, Linux has %d\nours  %v\nLinux %v", name, len(got), len(want), got, want)
		return
	}
	for i := range want {
		for _, path := range disagreements(want[i], got[i]) {
			if !listed(name, path, seen) {
				t.Errorf("%s: message %d (type %d) %s:\nours  %s\nLinux %s", name, i, want[i].typ, path, show(got[i], path), show(want[i], path))
			}
		}
	}
}

func show(d decoded, path string) string {
	switch path {
	case "header":
		return d.header
	case "flags":
		return fmt.Sprintf("%#x", d.flags)
	case "order":
		return fmt.Sprint(d.attrs)
	}
	return d.attr(path)
}

// disagreements lists in what two messages differ.
func disagreements(a, b decoded) []string {
	var all []string
	if a.header != b.header || a.typ != b.typ {
		all = append(all, "header")
	}
	if a.flags != b.flags {
		all = append(all, "flags")
	}
	paths := [2][]string{}
	for i, d := range []decoded{a, b} {
		for _, at := range d.attrs {
			paths[i] = append(paths[i], at.path)
		}
	}
	for _, path := range append(slices.Clone(paths[0]), paths[1]...) {
		in := [2]bool{slices.Contains(paths[0], path), slices.Contains(paths[1], path)}
		if (in[0] != in[1] || a.attr(path) != b.attr(path)) && !slices.Contains(all, path) {
			all = append(all, path)
		}
	}
	for i := range paths {
		paths[i] = slices.DeleteFunc(paths[i], func(p string) bool { return !slices.Contains(paths[1-i], p) })
	}
	if !slices.Equal(paths[0], paths[1]) {
		all = append(all, "order")
	}
	return all
}

func listed(question, path string, seen map[difference]bool) bool {
	for _, d := range slices.Concat(differences, changeDifferences) {
		if d.attr == path && (d.question == "" || d.question == question) {
			seen[d] = true
			return true
		}
	}
	return false
}
