package abi

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"reflect"
	"testing"

	"golang.org/x/sys/unix"
)

// parser is one Parse function, with what it must make of the bytes that
// testdata/layouts.c prints under name.
type parser struct {
	name  string
	parse func(b []byte) (any, unix.Errno)
	want  any
	// exact: a longer argument is refused too.
	exact bool
	// least is the shortest argument taken, if shorter than the struct.
	least int
}

func adapt[T any](parse func([]byte) (T, unix.Errno)) func([]byte) (any, unix.Errno) {
	return func(b []byte) (any, unix.Errno) {
		v, errno := parse(b)
		return v, errno
	}
}

func parsers() []parser {
	return []parser{
		{name: "sockaddr_in", parse: adapt(ParseSockaddr), want: Sockaddr{Family: unix.AF_INET, Addr: netip.AddrPortFrom(v4, 0x1234)}},
		{name: "sockaddr_in6", parse: adapt(ParseSockaddr), least: 24,
			want: Sockaddr{Family: unix.AF_INET6, Addr: netip.AddrPortFrom(v6, 0x1234), Scope: 7}},
		{name: "sockaddr_nl", parse: adapt(ParseSockaddr), want: Sockaddr{Family: unix.AF_NETLINK, PortID: 0x11223344, Groups: 0x55667788}},
		{name: "timeval", parse: adapt(ParseTimeval), want: Timeval{1, 2}},
		{name: "timespec", parse: adapt(ParseTimespec), want: Timespec{3, 4}},
		{name: "linger", parse: adapt(ParseLinger), want: Linger{1, 2}},
		{name: "ucred", parse: adapt(ParseUcred), want: Ucred{1, 2, 3}},
		{name: "in_pktinfo", parse: adapt(ParseInPktinfo), want: InPktinfo{NIC: 1, Local: v4, Dst: other4}, exact: true},
		{name: "in6_pktinfo", parse: adapt(ParseIn6Pktinfo), want: In6Pktinfo{Addr: v6, NIC: 3}},
		{name: "in_addr", parse: adapt(ParseInAddr), want: v4},
		{name: "ip_mreq", parse: adapt(ParseIPMreq), want: Membership{Group: v4, Local: other4}},
		{name: "ip_mreqn", parse: adapt(ParseIPMreq), want: Membership{Group: v4, Local: other4, NIC: 3}, least: 8},
		{name: "ip_mreqn", parse: adapt(ParseMulticastInterface), want: Membership{Group: v4, Local: other4, NIC: 3}, least: 4},
		{name: "in_addr", parse: adapt(ParseMulticastInterface), want: Membership{Local: v4}},
		{name: "ip_mreq_source", parse: adapt(ParseIPMreqSource), want: Membership{Group: v4, Local: v4, Source: other4}, exact: true},
		{name: "ipv6_mreq", parse: adapt(ParseIPv6Mreq), want: Membership{Group: v6, NIC: 4}},
		{name: "group_req", parse: adapt(ParseGroupReq), want: Membership{Group: v6, NIC: 5}},
		{name: "group_source_req", parse: adapt(ParseGroupSourceReq), want: Membership{Group: v4, Source: other4, NIC: 6}},
		{name: "pollfd", parse: adapt(ParsePollFD), want: PollFD{1, 2, 3}},
		{name: "ifconf", parse: adapt(ParseIfconf), want: Ifconf{Len: 80, Buf: 0x1122334455667788}},
	}
}

// TestParsers reads what C has written; every shorter argument is EINVAL, a
// longer one is as good.
func TestParsers(t *testing.T) {
	fromC := layoutsFromC(t)
	for _, p := range parsers() {
		b := fromC[p.name]
		if got, errno := p.parse(b); errno != 0 || !reflect.DeepEqual(got, p.want) {
			t.Errorf("%s: %+v, %v; want %+v", p.name, got, errno, p.want)
		}
		least := len(b)
		if p.least != 0 {
			least = p.least
		}
		for n := range len(b) {
			want := unix.EINVAL
			if n >= least {
				want = 0
			}
			if _, errno := p.parse(b[:n]); errno != want {
				t.Errorf("%s: %d bytes: %v, want %v", p.name, n, errno, want)
			}
		}
		want := unix.Errno(0)
		if p.exact {
			want = unix.EINVAL
		}
		if _, errno := p.parse(append(b[:len(b):len(b)], 0)); errno != want {
			t.Errorf("%s: one byte more: %v, want %v", p.name, errno, want)
		}
	}
}

func TestMsghdr(t *testing.T) {
	fromC := layoutsFromC(t)
	want := Msghdr{Name: 0x1111222233334444, NameLen: 16, IOV: 0x2222, IOVLen: 3, Control: 0x4444, ControlLen: 5, Flags: 6}
	b := fromC["msghdr"]
	if got := ParseMsghdr(b); got != want || len(b) != SizeofMsghdr {
		t.Errorf("%+v of %d bytes, want %+v of %d", got, len(b), want, SizeofMsghdr)
	}
	ne := binary.NativeEndian
	if b[OffsetMsghdrNameLen] != 16 || b[OffsetMsghdrControlLen] != 5 || b[OffsetMsghdrFlags] != 6 {
		t.Errorf("offsets do not fit %x", b)
	}
	if m := fromC["mmsghdr"]; len(m) != SizeofMMsghdr || ne.Uint32(m[OffsetMMsghdrLen:]) != 0xabcdef01 {
		t.Errorf("mmsghdr %x", m)
	}
	if v := fromC["iovec"]; len(v) != SizeofIovec || ne.Uint64(v) != 1 || ne.Uint64(v[8:]) != 2 {
		t.Errorf("iovec %x", v)
	}
}

func TestIfreq(t *testing.T) {
	fromC := layoutsFromC(t)
	if len(fromC["ifreq_flags"]) != SizeofIfreq || len(fromC["ifconf"]) != SizeofIfconf {
		t.Fatalf("ifreq has %d bytes, ifconf %d", len(fromC["ifreq_flags"]), len(fromC["ifconf"]))
	}
	r := Ifreq(fromC["ifreq_flags"])
	if r.Name() != "eth0" || binary.NativeEndian.Uint16(r.Data()) != 0x1043 {
		t.Errorf("%q %x", r.Name(), r.Data())
	}
	for i := range unix.IFNAMSIZ {
		r[i] = 'x'
	}
	if r.Name() != "xxxxxxxxxxxxxxx" {
		t.Errorf("name without NUL: %q", r.Name())
	}
	r.SetName("a-name-that-is-too-long")
	if r.Name() != "a-name-that-is-" || r[unix.IFNAMSIZ-1] != 0 {
		t.Errorf("long name: %q", r.Name())
	}
	if m := fromC["ifreq_map"]; binary.NativeEndian.Uint64(m[OffsetIfreqData:]) != 1 || m[OffsetIfreqData+16] != 3 || m[OffsetIfreqData+20] != 6 {
		t.Errorf("ifmap %x", m)
	}
}

func TestFamilies(t *testing.T) {
	for _, b := range [][]byte{nil, {2}} {
		if _, errno := ParseSockaddr(b); errno != unix.EINVAL {
			t.Errorf("%x: %v", b, errno)
		}
	}
	if sa, errno := ParseSockaddr([]byte{0, 0}); errno != 0 || sa.Family != unix.AF_UNSPEC {
		t.Errorf("AF_UNSPEC: %+v, %v", sa, errno)
	}
	if b := (Sockaddr{}).Bytes(); len(b) != 2 {
		t.Errorf("AF_UNSPEC encoded as %x", b)
	}
	long := make([]byte, SizeofSockaddrStorage)
	for _, family := range []uint16{unix.AF_UNIX, unix.AF_X25, 0xffff} {
		binary.NativeEndian.PutUint16(long, family)
		if _, errno := ParseSockaddr(long); errno != unix.EAFNOSUPPORT {
			t.Errorf("family %d: %v", family, errno)
		}
	}
}

// TestMappedAddresses: an IPv4 peer of an AF_INET6 socket, and back.
func TestMappedAddresses(t *testing.T) {
	b := Sockaddr{Family: unix.AF_INET6, Addr: netip.AddrPortFrom(v4, 80)}.Bytes()
	sa, errno := ParseSockaddr(b)
	if errno != 0 || sa.Addr.String() != "[::ffff:1.2.3.4]:80" {
		t.Errorf("%v, %v", sa.Addr, errno)
	}
	sa.Family = unix.AF_INET
	if again, _ := ParseSockaddr(sa.Bytes()); again.Addr.String() != "1.2.3.4:80" {
		t.Errorf("%v", again.Addr)
	}
}

// TestUnsetAddresses: what the stack does not know is zeros of full length.
func TestUnsetAddresses(t *testing.T) {
	for name, b := range map[string][]byte{
		"in_pktinfo":  InPktinfo{Local: v6}.Bytes(),
		"in6_pktinfo": In6Pktinfo{}.Bytes(),
		"recverr4":    SockExtendedErr{}.BytesWith(unix.AF_INET, netip.Addr{}, 0),
		"recverr6":    SockExtendedErr{}.BytesWith(unix.AF_INET6, netip.Addr{}, 0),
	} {
		if want := len(encoded()[name]); len(b) != want || string(b) != string(make([]byte, want)) {
			t.Errorf("%s: %x, want %d zeros", name, b, want)
		}
	}
}

func TestGroupsOfOtherFamilies(t *testing.T) {
	b := make([]byte, SizeofGroupSourceReq)
	for offset, parse := range map[int]func([]byte) (Membership, unix.Errno){8: ParseGroupReq, 136: ParseGroupSourceReq} {
		binary.NativeEndian.PutUint16(b[8:], unix.AF_INET)
		binary.NativeEndian.PutUint16(b[136:], unix.AF_INET)
		for _, family := range []uint16{unix.AF_UNSPEC, unix.AF_UNIX, unix.AF_NETLINK} {
			binary.NativeEndian.PutUint16(b[offset:], family)
			if _, errno := parse(b); errno != unix.EADDRNOTAVAIL {
				t.Errorf("family %d at %d: %v", family, offset, errno)
			}
		}
	}
}

func TestScalars(t *testing.T) {
	for _, c := range []struct {
		b            []byte
		whole, short string
	}{
		{nil, "EINVAL", "EINVAL"},
		{[]byte{255}, "EINVAL", "255"},
		{[]byte{7, 1, 1}, "EINVAL", "7"},
		{[]byte{255, 255, 255, 255}, "-1", "-1"},
		{[]byte{1, 0, 0, 0, 9}, "1", "1"},
	} {
		if got := show(ParseInt(c.b)); got != c.whole {
			t.Errorf("int %x: %s, want %s", c.b, got, c.whole)
		}
		if got := show(ParseIntOrByte(c.b)); got != c.short {
			t.Errorf("int or byte %x: %s, want %s", c.b, got, c.short)
		}
	}
	if v, errno := ParseInt(IntBytes(-5)); v != -5 || errno != 0 {
		t.Errorf("%d, %v", v, errno)
	}
}

func show(v int32, errno unix.Errno) string {
	if errno == unix.EINVAL {
		return "EINVAL"
	}
	return fmt.Sprint(v)
}
