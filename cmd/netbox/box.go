package main

import (
	"context"
	"net/netip"
	"slices"
	"time"

	mdns "github.com/miekg/dns"

	"netbox/netemu"
	"netbox/netemu/dns"
	"netbox/netemu/link"
	"netbox/netemu/netlink"
	"netbox/netemu/publish"
	"netbox/netemu/rtnl"
	"netbox/netemu/stack"
	"netbox/netemu/uplink"
	"netbox/netemu/uplink/host"
	"netbox/netemu/uplink/nat"
	"netbox/netemu/uplink/none"
	"netbox/netemu/uplink/relay"
	"netbox/netemu/uplink/sim"
	"netbox/tracer"
)

// box is a sandbox's network, put together: the program's host stack with the
// emulation on top, the link, the uplink on its far side, and the services.
type box struct {
	o         options
	uplink    uplink.Uplink
	direct    *host.Uplink // nil: another uplink
	echo      *lazyEcho
	shortcuts *relay.Shortcuts // nil: no fast path
	forwarder *dns.Forwarder
	answers   mdns.Handler
	resolver  *dns.Server // beyond the link
	stub      *dns.Server // on the sandbox's loopback
	host      *stack.Stack
	ports     *publish.Server
	emulator  *netemu.Emulator
}

// newBox builds the sandbox. On an error nothing is left.
func newBox(o options) (*box, error) {
	b := &box{o: o}
	if !o.noFastPath {
		b.shortcuts = &relay.Shortcuts{}
	}
	for _, step := range []func() error{b.makeUplink, b.connect, b.serveNames, b.publish, b.emulate} {
		if err := step(); err != nil {
			b.close()
			return nil, err
		}
	}
	return b, nil
}

// makeUplink picks the uplink and who answers DNS.
func (b *box) makeUplink() error {
	switch b.o.uplink {
	case "none":
		b.uplink = none.Uplink{}
		return nil
	case "sim":
		return b.makeSim()
	}
	f, err := dns.NewForwarder(dns.Options{Servers: b.o.upstreams, Timeout: b.o.resolver.Timeout, Attempts: b.o.resolver.Attempts, Log: b.o.log})
	if err != nil {
		return err
	}
	b.forwarder = f
	b.answers = b.o.names.Over(f)
	b.echo = &lazyEcho{log: b.o.log}
	c := nat.Config{HostLoopback: b.o.hostLoopback, Echo: b.echo, Shortcuts: b.shortcuts, Log: b.o.log}
	if b.o.uplink == "host" {
		b.direct = host.New(c, b.resolverPorts()...)
		b.uplink = b.direct
		return nil
	}
	b.uplink = nat.New(c)
	return nil
}

// resolverAddrs are where the resolver answers beyond the link.
func (b *box) resolverAddrs() []netip.Addr {
	return b.o.resolver.Routed(uplink.Nameserver4, uplink.Nameserver6)
}

func (b *box) resolverPorts() []netip.AddrPort {
	var list []netip.AddrPort
	for _, a := range b.resolverAddrs() {
		list = append(list, netip.AddrPortFrom(a, dns.Port))
	}
	return list
}

func (b *box) makeSim() error {
	var net *sim.Internet
	if b.o.simFile != "" {
		var err error
		if net, err = sim.ReadFile(b.o.simFile); err != nil {
			return err
		}
	}
	u, err := sim.New(sim.Options{Internet: net, Nameservers: b.o.resolver.Nameservers, Names: b.o.names, Log: b.o.log})
	if err != nil {
		return err
	}
	b.uplink, b.answers = u, u.Handler()
	return nil
}

// connect makes the link and the stacks on both of its sides.
func (b *box) connect() error {
	c := stack.HostConfig{
		Addrs:    []netip.Prefix{netip.PrefixFrom(uplink.Host4, uplink.Net4.Bits()), netip.PrefixFrom(uplink.Host6, uplink.Net6.Bits())},
		Gateways: []netip.Addr{uplink.Gateway4, uplink.Gateway6},

		Neighbours: []netip.Addr{uplink.Nameserver4, uplink.Nameserver6},
	}
	var far link.Endpoint
	if b.uplink.Linked() {
		c.Link, far = link.New(link.DefaultMTU)
	}
	if err := b.uplink.Start(far); err != nil {
		return err
	}
	var err error
	b.host, err = stack.NewHost(c)
	return err
}

// serveNames starts the resolver at every address where a program may look for
// one. The simulated internet answers at those beyond the link by itself.
func (b *box) serveNames() error {
	if b.answers == nil {
		return nil
	}
	b.resolver, b.stub = dns.NewServer(b.answers, b.o.log), dns.NewServer(b.answers, b.o.log)
	if b.o.uplink == "nat" || b.o.uplink == "host" {
		if err := b.resolver.Listen(b.uplink.Stack(), b.resolverAddrs()...); err != nil {
			return err
		}
	}
	at := b.o.resolver.Loopback()
	for _, a := range usualStubs {
		if !slices.Contains(at, a) {
			at = append(at, a)
		}
	}
	return b.stub.Listen(b.host, at...)
}

// usualStubs are where systemd-resolved and Docker's resolver listen, and so
// where programs look whose configuration comes from elsewhere than
// /etc/resolv.conf.
var usualStubs = []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 53}), netip.AddrFrom4([4]byte{127, 0, 0, 11})}

// yieldPort lets a program that wants the DNS port of the sandbox for itself
// have it.
func (b *box) yieldPort(port uint16) bool {
	if port != dns.Port || b.stub == nil {
		return false
	}
	b.stub.Stop()
	return true
}

func (b *box) publish() error {
	if len(b.o.ports) == 0 {
		return nil
	}
	var err error
	if b.ports, err = publish.Listen(b.o.ports, b.o.log); err != nil {
		return err
	}
	b.ports.Serve(b.uplink.Stack(), b.shortcuts)
	return nil
}

func (b *box) emulate() error {
	c := netemu.Config{
		Stack: b.host, Netlink: netlink.NewServer(rtnl.New(b.host)), Log: b.o.log, AllowUnix: b.o.allowUnix,
		YieldPort: b.yieldPort, Shortcuts: b.shortcuts, Borrow: tracer.CanBorrow(),
		Passed: append([]int{0, 1, 2}, b.o.passFDs...),
	}
	if b.direct != nil {
		c.Outside = b.direct
	}
	if u, ok := b.uplink.(interface{ UDPPortLeft(uint16) }); ok {
		c.UDPPortLeft = u.UDPPortLeft
	}
	b.emulator = netemu.New(c)
	return nil
}

// drainLimit is how long netbox outlives the program for the sake of bytes that
// it had written: long enough for a slow link's queue, short enough that a
// dead peer does not hold the prompt.
const drainLimit = 5 * time.Second

// close ends what there is, in the order that package uplink gives.
func (b *box) close() {
	ctx, cancel := context.WithTimeout(context.Background(), drainLimit)
	defer cancel()
	if b.emulator != nil {
		b.emulator.Drain(drainLimit)
		b.report()
		if b.direct != nil {
			b.o.log.Debug("direct sockets ended", "stats", b.emulator.DirectStats())
		}
	}
	if d, ok := b.uplink.(uplink.Drainer); ok && b.emulator != nil && b.emulator.Used() {
		d.Drain(ctx) // takes milliseconds at the least
	}
	if b.ports != nil {
		b.ports.Drain(ctx)
		b.ports.Close()
	}
	if b.emulator != nil {
		b.emulator.Close()
	}
	if b.forwarder != nil {
		b.forwarder.Close()
	}
	for _, s := range []*dns.Server{b.resolver, b.stub} {
		if s != nil {
			s.Close()
		}
	}
	if b.host != nil {
		b.host.Close()
	}
	if b.uplink != nil {
		if err := b.uplink.Close(); err != nil {
			b.o.log.Error("closing the uplink", "err", err)
		}
	}
	if b.echo != nil {
		b.echo.close()
	}
}

// report tells, at debug level and where --report says, what the program asked for
// in vain.
func (b *box) report() {
	rows, overflow := b.emulator.Ledger().Entries()
	for _, r := range rows {
		b.o.log.Debug("not supported", "kind", r.Kind, "name", r.Name, "program", r.Program, "count", r.Count)
	}
	if overflow > 0 {
		b.o.log.Debug("not supported", "kind", "more", "count", overflow)
	}
	if b.o.report == nil {
		return
	}
	if err := b.o.report.write(b.emulator.Ledger()); err != nil {
		b.o.log.Error("writing the report", "err", err)
	}
}
