package sim

import (
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"netbox/netemu/dns"
	"netbox/netemu/stack"
)

// check turns the file into an Internet, or finds the first mistake.
func (d *document) check() (*Internet, error) {
	if len(d.Hosts)+len(d.Unreachable)+len(d.Records) == 0 {
		return nil, errors.New("no hosts, unreachable or records in it")
	}
	n := &Internet{hosts: make(map[netip.Addr]*host), zone: dns.NewZone()}
	base := conditions{}.with(d.Defaults)
	for i := range d.Hosts {
		if err := n.addHost(&d.Hosts[i], base); err != nil {
			return nil, err
		}
	}
	for _, u := range d.Unreachable {
		if err := n.addUnreachable(u); err != nil {
			return nil, err
		}
	}
	for _, r := range d.Records {
		if r.value == nil {
			return nil, errors.New("a record is missing after its dash")
		}
		n.zone.AddRR(r.value)
	}
	return n, nil
}

// with is c with what e says.
func (c conditions) with(e conditionsEntry) conditions {
	if e.Delay != nil {
		c.delay = e.Delay.value
	}
	if e.Jitter != nil {
		c.jitter = e.Jitter.value
	}
	if e.Loss != nil {
		c.loss = e.Loss.value
	}
	return c
}

func (n *Internet) addHost(e *hostEntry, base conditions) error {
	if e.line == 0 || len(e.Addresses) == 0 {
		return errorAt(max(e.line, 1), "a host without addresses")
	}
	h := &host{
		conditions: base.with(conditionsEntry{Delay: e.Delay, Jitter: e.Jitter, Loss: e.Loss}),
		echo:       e.Echo == nil || *e.Echo,
		dns:        e.DNS,
		otherwise:  kindRefuse,
	}
	switch kind(e.Otherwise) {
	case "", kindRefuse:
	case kindDrop:
		h.otherwise = kindDrop
	default:
		return errorAt(e.line, "otherwise: %q is not refuse or drop", e.Otherwise)
	}
	var err error
	if h.tcp, err = services(e.TCP, tcpKinds, e.DNS); err != nil {
		return err
	}
	if h.udp, err = services(e.UDP, udpKinds, e.DNS); err != nil {
		return err
	}
	for _, a := range e.Addresses {
		if err := n.addAddress(h, a); err != nil {
			return err
		}
		for _, name := range e.Names {
			if err := n.zone.AddHost(name.value, a.value); err != nil {
				return errorAt(name.line, "%w", err)
			}
		}
	}
	return nil
}

func (n *Internet) addAddress(h *host, a address) error {
	v := a.value
	switch {
	case !v.IsValid():
		return errorAt(max(a.line, 1), "an address is missing after its dash")
	case v.IsUnspecified(), v.IsLoopback(), v.IsMulticast(), v.IsLinkLocalUnicast(), v == broadcast:
		return errorAt(a.line, "%v is not an address of a host on the internet", v)
	case onLink(v):
		return errorAt(a.line, "%v belongs to the link between sandbox and gateway", v)
	case n.hosts[v] != nil:
		return errorAt(a.line, "%v is given to two hosts", v)
	}
	n.hosts[v] = h
	h.addrs = append(h.addrs, v)
	return nil
}

func (n *Internet) addUnreachable(e unreachableEntry) error {
	if !e.Prefix.value.IsValid() {
		return errorAt(max(e.Prefix.line, 1), "unreachable: an entry without prefix")
	}
	u := unreachable{prefix: e.Prefix.value}
	switch e.Kind {
	case "", "net":
		u.why = stack.UnreachableNet
	case "host":
		u.why = stack.UnreachableHost
	case "prohibited":
		u.why = stack.UnreachableProhibited
	default:
		return errorAt(e.Prefix.line, "kind: %q is not net, host or prohibited", e.Kind)
	}
	n.unreachable = append(n.unreachable, u)
	return nil
}

func services(entries []serviceEntry, kinds []kind, resolver bool) (map[uint16]*service, error) {
	m := make(map[uint16]*service)
	for i := range entries {
		e := &entries[i]
		port := e.Port.value
		switch {
		case port == 0:
			return nil, errorAt(max(e.line, 1), "a service without port")
		case m[port] != nil:
			return nil, errorAt(e.line, "port %d is given twice", port)
		case resolver && port == dns.Port:
			return nil, errorAt(e.line, "port %d is taken by dns: true", port)
		case !slices.Contains(kinds, kind(e.Service)):
			return nil, errorAt(e.line, "service: %q is not one of %v", e.Service, kinds)
		}
		s, err := e.service()
		if err != nil {
			return nil, err
		}
		m[port] = s
	}
	return m, nil
}

func (e *serviceEntry) service() (*service, error) {
	s := &service{kind: kind(e.Service), status: http.StatusOK, size: -1}
	if (e.Text != nil) != (s.kind == kindText) {
		return nil, errorAt(e.line, "text goes with service text, and that with text")
	}
	if e.Text != nil {
		s.text = *e.Text
	}
	if s.kind != kindHTTP {
		if e.Status != nil || e.Headers != nil || e.Body != nil || e.Size != nil {
			return nil, errorAt(e.line, "status, headers, body and size go with service http")
		}
		return s, nil
	}
	if e.Body != nil && e.Size != nil {
		return nil, errorAt(e.line, "body and size exclude each other")
	}
	if e.Body != nil {
		s.body = *e.Body
	}
	if e.Size != nil {
		s.size = e.Size.value
	}
	if e.Status != nil {
		s.status = *e.Status
	}
	if s.status < 200 || s.status > 599 {
		return nil, errorAt(e.line, "status: %d is not from 200 to 599", s.status)
	}
	s.headers = make(http.Header)
	for k, v := range e.Headers {
		if !isToken(k) || strings.ContainsFunc(v, isControl) || framing[strings.ToLower(k)] {
			return nil, errorAt(e.line, "header %q: %q can't be sent", k, v)
		}
		s.headers.Set(k, v)
	}
	return s, nil
}

// isToken says whether s is a header's name (RFC 9110 section 5.6.2).
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune("\"(),/:;<=>?@[\\]{}", r)
	})
}

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// framing are the headers that net/http writes by itself.
var framing = map[string]bool{"content-length": true, "transfer-encoding": true, "connection": true, "trailer": true}
