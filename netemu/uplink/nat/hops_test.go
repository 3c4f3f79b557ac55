package nat

import (
	"fmt"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"netbox/netemu/stack"
	"netbox/netemu/uplink"
	"netbox/test/world"
)

// errorSocket is a connected UDP socket of the sandbox with an error queue.
func (r *rig) errorSocket(dst netip.AddrPort) *stack.Endpoint {
	e := r.socketUDP(dst)
	option := stack.RecvErr6
	if dst.Addr().Is4() {
		option = stack.RecvErr4
	}
	if errno := e.SetBool(option, true); errno != 0 {
		r.t.Fatal(errno)
	}
	return e
}

// queued waits for the next entry of the error queue.
func queued(t *testing.T, e *stack.Endpoint) stack.QueuedError {
	t.Helper()
	var q stack.QueuedError
	if !eventually(func() (ok bool) { q, ok = e.TakeQueuedError(); return ok }) {
		t.Fatal("no error came")
	}
	return q
}

// farHops: each of several probes of one flow is told of by the router at which its
// TTL ends, or by the far host, and quoted.
func farHops(t *testing.T) {
	r := newRig(t, Config{})
	for _, c := range []struct {
		far, router               netip.Addr
		hops                      stack.IntOption
		exceeded, unreached, port uint8
	}{
		{far4, world.Router4, stack.TTL, 11, 3, 3},
		{far6, world.Router6, stack.HopLimit, 3, 1, 4},
	} {
		e := r.errorSocket(netip.AddrPortFrom(c.far, 9))
		for i, hops := range []int{1, 2, 1, 64} {
			payload := fmt.Sprintf("probe %d", i)
			e.SetInt(c.hops, hops)
			if _, errno := e.Send([]byte(payload), nil, nil); errno != 0 {
				t.Fatal(errno)
			}
			q := queued(t, e)
			e.TakeError()
			offender, typ, code := c.router, c.exceeded, uint8(0)
			if hops > 1 {
				offender, typ, code = c.far, c.unreached, c.port
			}
			if q.Offender.Addr() != offender || q.Type != typ || q.Code != code || string(q.Payload) != payload {
				t.Errorf("%v, %d hops: %+v", c.far, hops, q)
			}
			if ttl := max(q.Control.TTL, q.Control.HopLimit); ttl != 64 && ttl != 63 {
				t.Errorf("%v, %d hops: the error's TTL is %d", c.far, hops, ttl)
			}
		}
	}
	if got := r.nat.Stats(); got.UDPFlows != 2 || got.ICMPErrors != 8 {
		t.Errorf("counted %+v", got)
	}
}

// farTooLong: what may not be fragmented and the host's interface has no room for is
// answered by the gateway with the MTU, once; then the sandbox knows.
func farTooLong(t *testing.T) {
	const mtu = 1500 // of veth
	r := newRig(t, Config{})
	for _, far := range []netip.Addr{far4, far6} {
		e := r.errorSocket(netip.AddrPortFrom(far, 7))
		e.SetInt(stack.MTUDiscover, unix.IP_PMTUDISC_DO)
		if got := r.host.PathMTU(far); got <= mtu {
			t.Errorf("%v: MTU %d before anything is known", far, got)
		}
		if _, errno := e.Send(make([]byte, 20000), nil, nil); errno != 0 {
			t.Fatal(errno)
		}
		gateway := uplink.Gateway6
		if far.Is4() {
			gateway = uplink.Gateway4
		}
		if q := queued(t, e); q.Errno != unix.EMSGSIZE || q.Info != mtu || q.Offender.Addr() != gateway {
			t.Errorf("%v: %+v", far, q)
		}
		e.TakeError()
		if got := r.host.PathMTU(far); got != mtu {
			t.Errorf("%v: MTU %d, want %d", far, got, mtu)
		}
		if _, errno := e.Send(make([]byte, 20000), nil, nil); errno != unix.EMSGSIZE {
			t.Errorf("%v: %v, want EMSGSIZE", far, errno)
		}
		if q := queued(t, e); q.Origin != unix.SO_EE_ORIGIN_LOCAL || q.Info != mtu {
			t.Errorf("%v: %+v", far, q)
		}
	}
}
