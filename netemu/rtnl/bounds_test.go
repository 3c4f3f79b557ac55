package rtnl

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"netbox/netemu/stack"
)

func lonely(t *testing.T) *Host {
	t.Helper()
	s, err := stack.NewHost(stack.HostConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return New(s)
}

// fill adds until it is refused, and says why.
func fill(t *testing.T, most int, add func(i int) *Refusal) unix.Errno {
	t.Helper()
	for i := range most + 1 {
		if refusal := add(i); refusal != nil {
			return refusal.Errno
		}
	}
	return 0
}

// TestSysctlNames: no link is called as a directory of /proc/sys/net/ipv4/conf
// that is none of a link.
func TestSysctlNames(t *testing.T) {
	h := lonely(t)
	by := Request{Flags: unix.NLM_F_CREATE | unix.NLM_F_EXCL}
	if refusal := h.AddDummy(by, 0, LinkChange{}); refusal != nil {
		t.Fatal(refusal)
	}
	links := h.Interfaces()
	index := links[len(links)-1].Index
	for _, name := range []string{"all", "default"} {
		if refusal := h.AddDummy(by, 0, LinkChange{Name: &name}); refusal == nil || refusal.Errno != unix.EINVAL {
			t.Errorf("new link %s: %v", name, refusal)
		}
		if refusal := h.SetLink(by, index, LinkChange{Name: &name}); refusal == nil || refusal.Errno != unix.EINVAL {
			t.Errorf("link renamed to %s: %v", name, refusal)
		}
	}
}

// TestBounds: a program can't make a configuration grow for ever, and a link
// that goes takes what it had with it.
func TestBounds(t *testing.T) {
	h := lonely(t)
	by := Request{Flags: unix.NLM_F_CREATE | unix.NLM_F_EXCL}
	up := LinkChange{Flags: unix.IFF_UP, Mask: unix.IFF_UP}
	if errno := fill(t, maxLinks, func(int) *Refusal { return h.AddDummy(by, 0, up) }); errno != unix.ENOMEM {
		t.Errorf("links: %v", errno)
	}
	links := h.Interfaces()
	dummy := links[1].Index
	errno := fill(t, maxRoutes, func(i int) *Refusal {
		dst := netip.PrefixFrom(netip.AddrFrom4([4]byte{100, byte(i >> 8), byte(i), 0}), 24)
		return h.AddRoute(by, stack.Route{Table: unix.RT_TABLE_MAIN, Type: unix.RTN_UNICAST, Scope: unix.RT_SCOPE_LINK, Dst: dst, NIC: dummy})
	})
	if errno != unix.ENOBUFS || len(h.Routes()) != maxRoutes {
		t.Errorf("routes: %v, %d", errno, len(h.Routes()))
	}
	errno = fill(t, maxAddresses, func(i int) *Refusal {
		a := stack.Address{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 32), Valid: stack.Forever, Preferred: stack.Forever}
		return h.AddAddress(by, dummy, a)
	})
	if errno != unix.ENOBUFS {
		t.Errorf("addresses: %v", errno)
	}
	for _, link := range links[1:] {
		if refusal := h.DeleteLink(by, link.Index); refusal != nil {
			t.Fatal(link.Name, refusal)
		}
	}
	if links, routes := h.Interfaces(), h.Routes(); len(links) != 1 || len(routes) != 4 {
		t.Errorf("left: %+v, %+v", links, routes)
	}
}
