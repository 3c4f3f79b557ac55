package netlink

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"netbox/netemu/netlink/netnstest"
)

// length sets nlmsg_len.
func length(b []byte, n uint32) []byte {
	b = bytes.Clone(b)
	binary.NativeEndian.PutUint32(b, n)
	return b
}

// hostile are datagrams that no sane program sends; the answers are compared
// with the kernel's as far as they are not rows of tables.
func hostile() []question {
	link := message(unix.RTM_GETLINK, get, make([]byte, 16), attr(unix.IFLA_IFNAME, []byte("nix0\x00")))
	acked := func(typ, flags int, parts ...[]byte) []byte { return message(typ, flags|unix.NLM_F_ACK, parts...) }
	lookup := func(parts ...[]byte) []byte { return message(unix.RTM_GETROUTE, get, parts...) }
	in, in6 := byte(unix.AF_INET), byte(unix.AF_INET6)
	extAck := []int{unix.NETLINK_EXT_ACK}
	capAck := []int{unix.NETLINK_CAP_ACK}
	return []question{
		{"one byte", []byte{1}, nil},
		{"length 0", length(link, 0), nil},
		{"length 15", length(link, 15), nil},
		{"length beyond the end", length(link, uint32(len(link)+1)), nil},
		{"length 4 GiB", length(link, 1<<32-1), nil},
		{"no request, ack", message(unix.RTM_GETLINK, unix.NLM_F_ACK, make([]byte, 16)), nil},
		{"no request", message(unix.RTM_GETLINK, 0, make([]byte, 16)), nil},
		{"control message, ack", acked(unix.NLMSG_NOOP, get), nil},
		{"done, ack", acked(unix.NLMSG_DONE, get, make([]byte, 4)), nil},
		{"no family, ack", acked(unix.RTM_GETLINK, get), nil},
		{"no family", message(unix.RTM_GETLINK, get), nil},
		{"type beyond all", message(unix.RTM_MAX+1, get, make([]byte, 4)), extAck},
		{"type 65535", message(65535, get, make([]byte, 4)), nil},
		{"error, whole request", link, nil},
		{"error, request capped", link, capAck},
		{"error of odd length", message(unix.RTM_GETLINK, get, make([]byte, 16), attr(unix.IFLA_IFNAME, []byte("nix"))), extAck},
		{"two errors", append(padded(link), link...), nil},
		{"error, then ack", append(padded(link), acked(unix.NLMSG_NOOP, get)...), nil},
		{"error, then garbage", append(padded(link), 1, 2, 3), nil},
		{"get link, short header", message(unix.RTM_GETLINK, get, make([]byte, 4)), nil},
		{"get link, short header, strict", message(unix.RTM_GETLINK, get, make([]byte, 4)), strict},
		{"get link, nothing told", message(unix.RTM_GETLINK, get, make([]byte, 16)), strict},
		{"get link, negative index", message(unix.RTM_GETLINK, get, append(make([]byte, 4), append(word(1<<32-1), make([]byte, 8)...)...)), nil},
		{"get link, type told, strict", message(unix.RTM_GETLINK, get, append([]byte{0, 0, 1, 0, 2, 0, 0, 0}, make([]byte, 8)...)), strict},
		{"get link, attribute of another kind, strict", message(unix.RTM_GETLINK, get, indexed(16, 0, 2), attr(unix.IFLA_MTU, word(1))), strict},
		{"get link, mask too short", message(unix.RTM_GETLINK, get, indexed(16, 0, 2), attr(unix.IFLA_EXT_MASK, []byte{1})), extAck},
		{"links by index, strict", message(unix.RTM_GETLINK, dumping, indexed(16, 0, 2)), strict},
		{"links, header told, strict", message(unix.RTM_GETLINK, dumping, append([]byte{0, 0, 1, 0}, make([]byte, 12)...)), strict},
		{"links, short header, strict", message(unix.RTM_GETLINK, dumping, make([]byte, 4)), strict},
		{"links, unknown attribute, strict", message(unix.RTM_GETLINK, dumping, make([]byte, 16), attr(500, word(1))), strict},
		{"links, name, strict", message(unix.RTM_GETLINK, dumping, make([]byte, 16), attr(unix.IFLA_IFNAME, []byte("lo\x00"))), strict},
		{"links, garbage behind, strict", message(unix.RTM_GETLINK, dumping, make([]byte, 16), []byte{1, 2}), strict},
		{"IPv6 links by index, strict", message(unix.RTM_GETLINK, dumping, indexed(16, in6, 2)), strict},
		{"addresses, short header, strict", message(unix.RTM_GETADDR, dumping, zeros(4, in)), strict},
		{"IPv6 addresses, short header, strict", message(unix.RTM_GETADDR, dumping, zeros(4, in6)), strict},
		{"addresses, scope told, strict", message(unix.RTM_GETADDR, dumping, []byte{in, 0, 0, 1, 0, 0, 0, 0}), strict},
		{"addresses, attribute, strict", message(unix.RTM_GETADDR, dumping, zeros(8, in), attr(unix.IFA_LABEL, []byte("lo\x00"))), strict},
		{"IPv6 addresses, attribute, strict", message(unix.RTM_GETADDR, dumping, zeros(8, in6), attr(unix.IFA_LABEL, []byte("lo\x00"))), strict},
		{"one IPv6 address, not told", message(unix.RTM_GETADDR, get, zeros(8, in6)), extAck},
		{"one IPv6 address that is not", message(unix.RTM_GETADDR, get, zeros(8, in6), attr(unix.IFA_ADDRESS, make([]byte, 16))), extAck},
		{"one IPv6 address, short header", message(unix.RTM_GETADDR, get, zeros(4, in6)), extAck},
		{"routes, short header, strict", message(unix.RTM_GETROUTE, dumping, zeros(4, in)), strict},
		{"routes, length told, strict", message(unix.RTM_GETROUTE, dumping, rtm(in, 0, map[int]byte{rtmDstLen: 8})), strict},
		{"routes, flags, strict", message(unix.RTM_GETROUTE, dumping, rtm(in6, unix.RTM_F_NOTIFY, nil)), strict},
		{"routes, no such interface, strict", message(unix.RTM_GETROUTE, dumping, zeros(12, in), attr(unix.RTA_OIF, word(9))), strict},
		{"routes, attribute, strict", message(unix.RTM_GETROUTE, dumping, zeros(12, in), attr(unix.RTA_MARK, word(9))), strict},
		{"route, short header", lookup(zeros(4, in)), extAck},
		{"IPv6 route, short header", lookup(zeros(4, in6)), extAck},
		{"route, length 8, strict", lookup(rtm(in, 0, map[int]byte{rtmDstLen: 8}), attr(unix.RTA_DST, []byte{8, 8, 8, 8})), strict},
		{"route, table told, strict", lookup(rtm(in, 0, map[int]byte{rtmTable: 254}), attr(unix.RTA_DST, []byte{8, 8, 8, 8})), strict},
		{"route, flags, strict", lookup(rtm(in, unix.RTM_F_PREFIX, nil), attr(unix.RTA_DST, []byte{8, 8, 8, 8})), strict},
		{"route, attribute, strict", lookup(rtm(in, 0, map[int]byte{rtmDstLen: 32}), attr(unix.RTA_METRICS, word(4))), strict},
		{"route, address too short", lookup(rtm(in, 0, map[int]byte{rtmDstLen: 32}), attr(unix.RTA_DST, []byte{8, 8})), extAck},
		{"IPv6 route, address too short", lookup(rtm(in6, 0, nil), attr(unix.RTA_DST, []byte{8, 8})), extAck},
		{"IPv6 route, length 8, strict", lookup(rtm(in6, 0, map[int]byte{rtmDstLen: 8})), strict},
		{"IPv6 route, flags, strict", lookup(rtm(in6, unix.RTM_F_PREFIX, nil)), strict},
		{"IPv6 route, attribute, strict", lookup(rtm(in6, 0, nil), attr(unix.RTA_METRICS, word(4))), strict},
		{"IPv6 routes, attribute, strict", message(unix.RTM_GETROUTE, dumping, zeros(12, in6), attr(unix.RTA_MARK, word(9))), strict},
		{"IPv6 routes, type told, none such", message(unix.RTM_GETROUTE, dumping, rtm(in6, 0, map[int]byte{rtmType: 9})), strict},
		{"IPv6 route by no interface", lookup(rtm(in6, 0, nil), attr(unix.RTA_OIF, word(9))), extAck},
		{"IPv6 route by lo", lookup(rtm(in6, 0, nil), attr(unix.RTA_OIF, word(1)), attr(unix.RTA_DST, append([]byte{0x20}, make([]byte, 15)...))), extAck},
		{"route by lo", lookup(rtm(in, 0, nil), attr(unix.RTA_OIF, word(1)), attr(unix.RTA_DST, []byte{8, 8, 8, 8})), extAck},
		{"IPv6 route, nothing told", lookup(rtm(in6, 0, nil)), extAck},
		{"rules, short header, strict", message(unix.RTM_GETRULE, dumping, zeros(4, in)), strict},
		{"rules, values, strict", message(unix.RTM_GETRULE, dumping, rtm(in, 1, nil)), strict},
		{"rules, attribute, strict", message(unix.RTM_GETRULE, dumping, zeros(12, in), attr(unix.FRA_TABLE, word(254))), strict},
		{"rules of no family", message(unix.RTM_GETRULE, dumping, zeros(12, 99)), extAck},
		{"neighbour, short header", message(unix.RTM_GETNEIGH, get, make([]byte, 4)), extAck},
		{"neighbour, nothing told", message(unix.RTM_GETNEIGH, get, zeros(12, in)), extAck},
		{"neighbour that is not", message(unix.RTM_GETNEIGH, get, indexed(12, in, 2), attr(unix.NDA_DST, []byte{10, 0, 2, 9})), extAck},
		{"neighbour of no interface", message(unix.RTM_GETNEIGH, get, indexed(12, in, 9), attr(unix.NDA_DST, []byte{10, 0, 2, 9})), extAck},
		{"settings, nothing told", message(unix.RTM_GETNETCONF, get, zeros(4, in)), extAck},
		{"settings of no interface", message(unix.RTM_GETNETCONF, get, zeros(4, in), attr(netconfaIfindex, word(9))), extAck},
		{"namespace id, nothing told", message(unix.RTM_GETNSID, get, make([]byte, 4)), extAck},
		{"nexthop 1", message(unix.RTM_GETNEXTHOP, get, make([]byte, 8), attr(nhaID, word(1))), extAck},
		{"nexthop 0", message(unix.RTM_GETNEXTHOP, get, make([]byte, 8), attr(nhaID, word(0))), extAck},
		{"queueing disciplines, short header", message(unix.RTM_GETQDISC, dumping, make([]byte, 4)), extAck},
	}
}

// words are the attributes of an extended acknowledgement of which Linux gives
// more than the server: beside the text (1), where in the request the cause
// is (2), a policy (4), what is missing (5, 6).
var words = []string{"2/2", "2/4", "2/5", "2/6", "3/2", "3/4", "3/5", "3/6"}

// TestHostileRequestsAsLinux sends them to the kernel and to the server. The
// errors must be the same; the text of the reason is compared where the
// kernel gives one.
func TestHostileRequestsAsLinux(t *testing.T) {
	netnstest.NeedRelease(t)
	if !netnstest.Run(t) {
		return
	}
	for _, q := range hostile() {
		answers := [2][]decoded{}
		for i, p := range []peer{openKernel(t), openServer(t, sandbox(t))} {
			p.set(t, q.options...)
			datagrams, port := p.ask(t, q.request)
			answers[i] = withoutRows(decode(t, datagrams, port, 7))
		}
		if !slices.EqualFunc(answers[0], answers[1], equalEnds) {
			t.Errorf("%s:\nours  %+v\nLinux %+v", q.name, answers[1], answers[0])
		}
	}
}

func withoutRows(answer []decoded) []decoded {
	return slices.DeleteFunc(answer, func(d decoded) bool {
		return d.typ != unix.NLMSG_ERROR && d.typ != unix.NLMSG_DONE
	})
}

func equalEnds(kernel, ours decoded) bool {
	hasWords := func(d decoded) []attribute {
		return slices.DeleteFunc(slices.Clone(d.attrs), func(a attribute) bool { return slices.Contains(words, a.path) })
	}
	const tlvs = unix.NLM_F_ACK_TLVS // whether there are words at all
	return kernel.typ == ours.typ && kernel.header == ours.header && kernel.flags&^tlvs == ours.flags&^tlvs &&
		slices.Equal(hasWords(kernel), hasWords(ours))
}
