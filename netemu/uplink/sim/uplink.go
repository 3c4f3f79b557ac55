package sim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync/atomic"

	mdns "github.com/miekg/dns"

	"netbox/netemu/dns"
	"netbox/netemu/link"
	"netbox/netemu/stack"
	"netbox/netemu/uplink"
)

// Options are what an Uplink serves.
type Options struct {
	// Internet is nil for the built-in one.
	Internet *Internet
	// Nameservers answer DNS beside the hosts that do: those of
	// /etc/resolv.conf, so that programs that ask them find the simulated
	// names. Loopback ones are left out; serve [Uplink.Handler] at them on the
	// sandbox's own stack.
	Nameservers []netip.Addr
	// Names go before the names of the Internet; nil: host.netbox only.
	Names *dns.Zone
	// Log takes what goes wrong later; nil: nothing.
	Log *slog.Logger
}

// Stats count what was dropped at a bound since Start.
type Stats struct {
	TCPDropped     uint64 // SYNs: maxTCP connections open
	UDPDropped     uint64 // first datagrams: maxUDP flows open
	DelayDropped   uint64 // packets: maxDelayed on their way
	UploadsRefused uint64 // HTTP bodies over maxBody
}

// Uplink serves an Internet. It implements uplink.Uplink.
//
//	made ─Start▶ serving ─Close▶ closed
type Uplink struct {
	net     *Internet
	handler mdns.Handler

	stack    atomic.Pointer[stack.Stack] // set by Start; packets before are lost
	resolver *dns.Server
	serving  context.Context // ends with Close
	cancel   context.CancelFunc

	delay    *delayer
	tcpFlows *flows
	udpFlows *flows
	web      *web
}

var _ uplink.Uplink = (*Uplink)(nil)

// New prepares an uplink. It starts nothing.
func New(o Options) (*Uplink, error) {
	if o.Internet == nil {
		n, err := Default()
		if err != nil {
			return nil, err
		}
		o.Internet = n
	}
	if o.Names == nil {
		o.Names = dns.NewHostZone(uplink.Gateway4, uplink.Gateway6)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	u := &Uplink{
		net:      o.Internet.withResolvers(resolvers(o.Nameservers)),
		handler:  o.Names.Over(o.Internet.zone),
		delay:    newDelayer(),
		tcpFlows: newFlows(maxTCP),
		udpFlows: newFlows(maxUDP),
		web:      newWeb(o.Log),
	}
	u.resolver = dns.NewServer(mdns.HandlerFunc(u.question), o.Log)
	u.serving, u.cancel = context.WithCancel(context.Background())
	return u, nil
}

// resolvers are the addresses that answer DNS whatever the Internet says.
func resolvers(nameservers []netip.Addr) []netip.Addr {
	var c dns.Config
	for _, a := range nameservers {
		c.Nameservers = append(c.Nameservers, a.Unmap())
	}
	return c.Routed(uplink.Gateway4, uplink.Gateway6, uplink.Nameserver4, uplink.Nameserver6)
}

// Linked implements uplink.Uplink.
func (u *Uplink) Linked() bool { return true }

// Handler answers DNS questions from the names of the Internet.
func (u *Uplink) Handler() mdns.Handler { return u.handler }

// Start implements uplink.Uplink. On an error, too, the uplink has to be
// closed.
func (u *Uplink) Start(l link.Endpoint) error {
	if l == nil {
		return errors.New("uplink sim: no link was given")
	}
	asked := u.net.resolverAddrs()
	s, err := stack.NewGateway(stack.GatewayConfig{
		Link: l,
		// The link's own only: those the stack answers echo for by itself. It
		// can listen on any address.
		Addrs: linkPrefixes(),
		TCP:   u.tcp,
		UDP:   u.udp,
		Echo:  u.echo,
	})
	if err != nil {
		return fmt.Errorf("uplink sim: %w", err)
	}
	u.stack.Store(s)
	u.web.start()
	if err := u.resolver.Listen(s, asked...); err != nil {
		return fmt.Errorf("uplink sim: %w", err)
	}
	return nil
}

// resolverAddrs are the addresses that answer DNS, in order.
func (n *Internet) resolverAddrs() []netip.Addr {
	var all []netip.Addr
	for a, h := range n.hosts {
		if h.dns {
			all = append(all, a)
		}
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return all
}

// linkPrefixes are the addresses on the link, the router's first.
func linkPrefixes() []netip.Prefix {
	return []netip.Prefix{
		netip.PrefixFrom(uplink.Gateway4, uplink.Net4.Bits()),
		netip.PrefixFrom(uplink.Gateway6, uplink.Net6.Bits()),
		netip.PrefixFrom(uplink.Nameserver4, uplink.Net4.Bits()),
		netip.PrefixFrom(uplink.Nameserver6, uplink.Net6.Bits()),
	}
}

// Stack implements uplink.Uplink.
func (u *Uplink) Stack() *stack.Stack { return u.stack.Load() }

// Stats reads the counters.
func (u *Uplink) Stats() Stats {
	return Stats{
		TCPDropped:     u.tcpFlows.dropped.Load(),
		UDPDropped:     u.udpFlows.dropped.Load(),
		DelayDropped:   u.delay.dropped.Load(),
		UploadsRefused: u.web.refused.Load(),
	}
}

// Close implements uplink.Uplink.
func (u *Uplink) Close() error {
	u.cancel()
	u.delay.close()
	u.resolver.Close()
	u.web.close()
	u.tcpFlows.close()
	u.udpFlows.close()
	if s := u.stack.Load(); s != nil {
		s.Close()
	}
	return nil
}
