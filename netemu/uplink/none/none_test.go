package none_test

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"netbox/netemu/link"
	"netbox/netemu/stack"
	"netbox/netemu/uplink"
	"netbox/netemu/uplink/none"
)

var _ uplink.Uplink = none.Uplink{}

func TestNothingIsReachable(t *testing.T) {
	var up none.Uplink
	if up.Linked() || up.Stack() != nil {
		t.Fatal("none claims to have a link")
	}
	if err := up.Start(nil); err != nil {
		t.Fatal(err)
	}
	host, err := stack.NewHost(stack.HostConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(host.Close)
	for _, dst := range []string{"8.8.8.8:53", "10.0.2.2:80", "[2001:4860:4860::8888]:53"} {
		remote := netip.MustParseAddrPort(dst)
		family := stack.Inet6
		if remote.Addr().Is4() {
			family = stack.Inet4
		}
		tcp, errno := host.NewTCP(family)
		if errno != 0 {
			t.Fatal(errno)
		}
		if errno = tcp.Connect(stack.Addr{AddrPort: remote}); errno != unix.ENETUNREACH {
			t.Errorf("TCP connect to %s: %v, want ENETUNREACH", dst, errno)
		}
		tcp.Close()
	}
	if err := up.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestLinkIsRefused(t *testing.T) {
	near, far := link.New(link.DefaultMTU)
	defer near.Close()
	defer far.Close()
	if err := (none.Uplink{}).Start(far); err == nil {
		t.Fatal("Start took a link that nobody would serve")
	}
}
