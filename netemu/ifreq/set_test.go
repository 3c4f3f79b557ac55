package ifreq

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"netbox/netemu/link"
	"netbox/netemu/netlink/netnstest"
	"netbox/netemu/rtnl"
	"netbox/netemu/stack"
	"netbox/test/world"
)

// setting is an ioctl that changes something.
type setting struct {
	name     string
	family   int
	request  uint32
	argument []byte
}

func withSockaddr(name, addr string) []byte {
	return ifreq(name, sockaddr(netip.MustParseAddr(addr).AsSlice())...)
}

// rtentryOf is a struct rtentry; an empty address is one of no family.
func rtentryOf(dst, mask, gateway string, flags, metric byte) []byte {
	b := make([]byte, sizeofRtentry)
	for at, a := range map[int]string{rtentryDst: dst, rtentryMask: mask, rtentryGateway: gateway} {
		if a != "" {
			copy(b[at:], sockaddr(netip.MustParseAddr(a).AsSlice()))
		}
	}
	b[rtentryFlags], b[rtentryMetric] = flags, metric
	return b
}

func in6(addr string, bits, index byte) []byte {
	b := append(netip.MustParseAddr(addr).AsSlice(), make([]byte, 8)...)
	b[16], b[20] = bits, index
	return b
}

func settings() []setting {
	inet := func(name string, request uint32, argument []byte) setting {
		return setting{name, unix.AF_INET, request, argument}
	}
	inet6 := func(name string, request uint32, argument []byte) setting {
		return setting{name, unix.AF_INET6, request, argument}
	}
	const up, gateway, host = unix.IFF_UP, rtfGateway, rtfHost
	return []setting{
		inet("address", unix.SIOCSIFADDR, withSockaddr("eth0", "10.0.2.101")),
		inet("the same address", unix.SIOCSIFADDR, withSockaddr("eth0", "10.0.2.101")),
		inet("mask", unix.SIOCSIFNETMASK, withSockaddr("eth0", "255.255.255.0")),
		inet("mask with a hole", unix.SIOCSIFNETMASK, withSockaddr("eth0", "255.0.255.0")),
		inet("broadcast", unix.SIOCSIFBRDADDR, withSockaddr("eth0", "10.0.2.254")),
		inet("alias", unix.SIOCSIFADDR, withSockaddr("eth0:1", "192.168.7.7")),
		inet("mask of the alias", unix.SIOCSIFNETMASK, withSockaddr("eth0:1", "255.255.255.128")),
		inet("mask of no alias", unix.SIOCSIFNETMASK, withSockaddr("eth0:2", "255.255.255.0")),
		inet("alias up", unix.SIOCSIFFLAGS, ifreq("eth0:1", up, 0)),
		inet("no alias up", unix.SIOCSIFFLAGS, ifreq("eth0:2", up, 0)),
		inet("group", unix.SIOCSIFADDR, withSockaddr("eth0", "224.0.0.5")),
		inet("address of no device", unix.SIOCSIFADDR, withSockaddr("nix0", "10.0.2.101")),
		inet("address of no family", unix.SIOCSIFADDR, ifreq("eth0", 0, 0)),
		inet("row", unix.SIOCADDRT, rtentryOf("192.0.2.0", "255.255.255.0", "10.0.2.2", gateway, 0)),
		inet("row again", unix.SIOCADDRT, rtentryOf("192.0.2.0", "255.255.255.0", "10.0.2.2", gateway, 0)),
		inet("row with a metric", unix.SIOCADDRT, rtentryOf("192.0.2.0", "255.255.255.0", "10.0.2.2", gateway, 5)),
		inet("host's row", unix.SIOCADDRT, rtentryOf("192.0.3.1", "", "10.0.2.2", gateway|host, 0)),
		inet("row by a gateway that is not told", unix.SIOCADDRT, rtentryOf("192.0.4.0", "255.255.255.0", "", gateway, 0)),
		inet("row by a gateway far away", unix.SIOCADDRT, rtentryOf("192.0.4.0", "255.255.255.0", "99.0.0.1", gateway, 0)),
		inet("row by nothing", unix.SIOCADDRT, rtentryOf("192.0.4.0", "255.255.255.0", "", 0, 0)),
		inet("row with bits behind the mask", unix.SIOCADDRT, rtentryOf("192.0.4.1", "255.255.255.0", "10.0.2.2", gateway, 0)),
		inet("row of no family", unix.SIOCADDRT, rtentryOf("", "", "10.0.2.2", gateway, 0)),
		inet("row goes", unix.SIOCDELRT, rtentryOf("192.0.2.0", "255.255.255.0", "", 0, 0)),
		inet("row with the metric goes", unix.SIOCDELRT, rtentryOf("192.0.2.0", "255.255.255.0", "", 0, 5)),
		inet("no row goes", unix.SIOCDELRT, rtentryOf("192.0.2.0", "255.255.255.0", "", 0, 0)),
		inet6("IPv6 address", unix.SIOCSIFADDR, in6("fd00:5::1", 64, 2)),
		inet6("IPv6 address again", unix.SIOCSIFADDR, in6("fd00:5::1", 64, 2)),
		inet6("IPv6 prefix too long", unix.SIOCSIFADDR, in6("fd00:5::2", 129, 2)),
		inet6("IPv6 address of no device", unix.SIOCSIFADDR, in6("fd00:5::2", 64, 9)),
		inet6("IPv6 address goes", unix.SIOCDIFADDR, in6("fd00:5::1", 64, 2)),
		inet6("no IPv6 address goes", unix.SIOCDIFADDR, in6("fd00:5::1", 64, 2)),
		inet("MTU", unix.SIOCSIFMTU, ifreq("eth0", 0x78, 5, 0, 0)),
		inet("MTU too small", unix.SIOCSIFMTU, ifreq("eth0", 5, 0, 0, 0)),
		inet("queue length", unix.SIOCSIFTXQLEN, ifreq("eth0", 5, 0, 0, 0)),
		inet("hardware address", unix.SIOCSIFHWADDR, ifreq("eth0", 1, 0, 2, 2, 2, 2, 2, 2)),
		inet("hardware address of another type", unix.SIOCSIFHWADDR, ifreq("eth0", 9, 0, 2, 2, 2, 2, 2, 2)),
		inet("alias goes", unix.SIOCSIFFLAGS, ifreq("eth0:1", 0, 0)),
		inet("down", unix.SIOCSIFFLAGS, ifreq("eth0", unix.IFF_BROADCAST, 0x10)),
		inet("row while down", unix.SIOCADDRT, rtentryOf("192.0.2.0", "255.255.255.0", "10.0.2.2", gateway, 0)),
		inet("up", unix.SIOCSIFFLAGS, ifreq("eth0", up|unix.IFF_BROADCAST, 0x10)),
		inet("name", unix.SIOCSIFNAME, ifreq("eth0", append([]byte("wan"), make([]byte, 13)...)...)),
		inet("address by the new name", unix.SIOCSIFADDR, withSockaddr("wan", "10.0.2.103")),
	}
}

// TestSettingsAsLinux makes the same changes in a network namespace and on a
// stack: errors, and what SIOCGIF* tell afterwards, are the same.
func TestSettingsAsLinux(t *testing.T) {
	netnstest.NeedRelease(t)
	if !netnstest.Run(t) {
		if !netnstest.InitialUser() {
			t.Run("queue length", func(t *testing.T) {
				world.Skip(t, "ioctl(SIOCSIFTXQLEN) is EPERM in a user namespace: it takes CAP_NET_ADMIN in the first one")
			})
		}
		return
	}
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
	h := rtnl.New(s)
	ours := func(q setting) ([]byte, unix.Errno) {
		m := &memory{argument: bytes.Clone(q.argument), buffer: make([]byte, 1000)}
		errno := Handle(h, func() *rtnl.Host { return h }, Socket{q.family, unix.SOCK_DGRAM}, q.request, argumentAt, m)
		return m.argument, errno
	}
	for _, q := range settings() {
		if q.request == unix.SIOCSIFTXQLEN && !netnstest.InitialUser() {
			continue // skipped in the first run, where skips are told
		}
		_, got := ours(q)
		_, want := native(t, q)
		if got != want {
			t.Errorf("%s: %v, Linux %v", q.name, got, want)
		}
		if got, want := facts(ours), facts(func(q setting) ([]byte, unix.Errno) { return native(t, q) }); got != want {
			t.Errorf("after %s:\nours  %s\nLinux %s", q.name, got, want)
		}
	}
}

// native makes an ioctl of the kernel.
func native(t *testing.T, q setting) ([]byte, unix.Errno) {
	t.Helper()
	fd, err := unix.Socket(q.family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	b := bytes.Clone(q.argument)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(q.request), uintptr(unsafe.Pointer(&b[0])))
	return b, errno
}

// facts are what the ioctls tell of the interfaces.
func facts(ask func(setting) ([]byte, unix.Errno)) string {
	var all strings.Builder
	for _, name := range []string{"eth0", "eth0:1", "wan"} {
		for _, request := range []uint32{unix.SIOCGIFADDR, unix.SIOCGIFNETMASK, unix.SIOCGIFBRDADDR, unix.SIOCGIFMTU, unix.SIOCGIFTXQLEN, unix.SIOCGIFHWADDR, unix.SIOCGIFINDEX} {
			b, errno := ask(setting{"", unix.AF_INET, request, ifreq(name)})
			all.WriteString(name + " " + errno.Error() + " " + hex.EncodeToString(b[16:24]) + "\n")
		}
	}
	return all.String()
}
