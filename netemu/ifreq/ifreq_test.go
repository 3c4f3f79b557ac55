package ifreq

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"netbox/abi"
	"netbox/netemu/stack"
)

// ask makes a request on a UDP socket with the name and the address in the
// union, and returns the struct ifreq that comes back.
func ask(source Source, request uint32, name string, addr string) (abi.Ifreq, unix.Errno) {
	var r abi.Ifreq
	r.SetName(name)
	if addr != "" {
		copy(r.Data(), sockaddr(netip.MustParseAddr(addr).AsSlice()))
	}
	m := &memory{argument: bytes.Clone(r[:])}
	errno := Handle(source, nobody, Socket{unix.AF_INET, unix.SOCK_DGRAM}, request, argumentAt, m)
	return abi.Ifreq(m.argument), errno
}

// TestSeveralAddresses: an interface with two addresses tells its first, or the
// one that the program names; all are listed.
func TestSeveralAddresses(t *testing.T) {
	h := sandbox()
	h[1].Addrs = append(h[1].Addrs, stack.Address{Prefix: netip.MustParsePrefix("10.9.0.1/31"), Label: "eth0"})
	for _, c := range []struct {
		request     uint32
		asked, want string
	}{
		{unix.SIOCGIFADDR, "", "10.0.2.100"},
		{unix.SIOCGIFADDR, "10.9.0.1", "10.9.0.1"},
		{unix.SIOCGIFNETMASK, "10.9.0.1", "255.255.255.254"},
		{unix.SIOCGIFBRDADDR, "10.9.0.1", "0.0.0.0"},
		{unix.SIOCGIFBRDADDR, "10.0.2.100", "10.0.2.255"},
		{unix.SIOCGIFADDR, "10.7.7.7", "10.0.2.100"},
	} {
		r, errno := ask(h, c.request, "eth0", c.asked)
		sa, _ := abi.ParseSockaddr(r.Data())
		if errno != 0 || sa.Addr.Addr().String() != c.want {
			t.Errorf("request %#x for %q: %v, %v; want %s", c.request, c.asked, sa.Addr, errno, c.want)
		}
	}
	m := &memory{argument: abi.Ifconf{}.Bytes()}
	if errno := Handle(h, nobody, Socket{unix.AF_INET, unix.SOCK_DGRAM}, unix.SIOCGIFCONF, argumentAt, m); errno != 0 || m.argument[0] != 3*abi.SizeofIfreq {
		t.Errorf("size of all: %x, %v", m.argument, errno)
	}
}

// TestNoAddress: a host whose interfaces have none, and one without any.
func TestNoAddress(t *testing.T) {
	h := sandbox()
	h[1].Addrs = nil
	if _, errno := ask(h, unix.SIOCGIFADDR, "eth0", ""); errno != unix.EADDRNOTAVAIL {
		t.Errorf("address of an interface without: %v", errno)
	}
	if _, errno := ask(h, unix.SIOCGIFMTU, "eth0", ""); errno != 0 {
		t.Errorf("its MTU: %v", errno)
	}
	for _, request := range []uint32{unix.SIOCGIFADDR, unix.SIOCGIFFLAGS, unix.SIOCGIFINDEX, unix.SIOCDEVPRIVATE} {
		if _, errno := ask(host{}, request, "lo", ""); errno != unix.ENODEV {
			t.Errorf("request %#x: %v", request, errno)
		}
	}
}

// TestBadMemory: every request that touches memory fails with EFAULT, or as
// it would anyway.
func TestBadMemory(t *testing.T) {
	touching := 0
	for request := range table {
		for _, s := range sockets {
			good := Handle(sandbox(), nobody, s, request, argumentAt, &memory{argument: append(ifreq("eth0", 2, 0, 0, 0), make([]byte, 100)...)})
			bad := Handle(sandbox(), nobody, s, request, 0, &memory{})
			if bad == unix.EFAULT {
				touching++
			} else if bad != good {
				t.Errorf("request %#x: %v with bad memory, %v with good", request, bad, good)
			}
			if good == 0 && bad != unix.EFAULT {
				t.Errorf("request %#x succeeds without memory", request)
			}
		}
	}
	if touching == 0 {
		t.Error("no request touches memory")
	}
}

// FuzzHandle makes any request with any argument: no panic, and nothing is
// written beyond the argument and the buffer it points to.
func FuzzHandle(f *testing.F) {
	for i, q := range questions() {
		if i%97 == 0 {
			f.Add(q.request, uint8(i%len(sockets)), q.argument)
		}
	}
	f.Fuzz(func(t *testing.T, request uint32, socket uint8, argument []byte) {
		for _, source := range []Source{sandbox(), host{}} {
			m := &memory{argument: bytes.Clone(argument), buffer: make([]byte, 100)}
			errno := Handle(source, nobody, sockets[int(socket)%len(sockets)], request, argumentAt, m)
			if errno == 0 && request == unix.SIOCGIFINDEX {
				if index := binary.NativeEndian.Uint32(m.argument[abi.OffsetIfreqData:]); index != 1 && index != 2 {
					t.Errorf("index %d", index)
				}
			}
		}
	})
}
