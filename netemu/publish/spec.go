package publish

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Proto is the transport protocol of a published port.
type Proto uint8

// The protocols.
const (
	TCP Proto = iota
	UDP
)

// String is the protocol's name as in a specification.
func (p Proto) String() string {
	if p == UDP {
		return "udp"
	}
	return "tcp"
}

// Spec is one port to publish.
type Spec struct {
	// Addr is the host's address to listen on; invalid: all, v4 and v6.
	Addr netip.Addr
	// HostPort is the host's port, Port the sandbox's.
	HostPort, Port uint16
	Proto          Proto
}

// Form is what Parse takes, for help texts.
const Form = "[ADDR:]HOSTPORT:PORT[/tcp|/udp]"

// Parse reads a specification as docker run -p takes it:
//
//	8080:80             all addresses of the host, v4 and v6
//	127.0.0.1:8080:80   one address
//	[::1]:5353:53/udp   an IPv6 address stands in brackets
//
// Port ranges and a host port left to chance are not taken.
func Parse(s string) (Spec, error) {
	spec, err := parse(s)
	if err != nil {
		return Spec{}, fmt.Errorf("port to publish %q: %w (want %s)", s, err, Form)
	}
	return spec, nil
}

func parse(s string) (Spec, error) {
	var spec Spec
	ports, proto, found := strings.Cut(s, "/")
	if found {
		switch proto {
		case "tcp":
		case "udp":
			spec.Proto = UDP
		default:
			return Spec{}, fmt.Errorf("unknown protocol %q", proto)
		}
	}
	rest, port, ok := cutLast(ports)
	if !ok {
		return Spec{}, errors.New("a host port and a sandbox port are needed")
	}
	addr, hostPort, ok := cutLast(rest)
	if !ok {
		hostPort = rest
	}
	var err error
	if spec.Port, err = parsePort("sandbox port", port); err != nil {
		return Spec{}, err
	}
	if spec.HostPort, err = parsePort("host port", hostPort); err != nil {
		return Spec{}, err
	}
	if ok {
		spec.Addr, err = parseAddr(addr)
	}
	return spec, err
}

// cutLast cuts s at its last colon.
func cutLast(s string) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return "", s, false
	}
	return s[:i], s[i+1:], true
}

func parsePort(what, s string) (uint16, error) {
	// ParseUint takes neither signs nor spaces.
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%s %q is not a number from 1 to 65535", what, s)
	}
	return uint16(n), nil
}

func parseAddr(s string) (netip.Addr, error) {
	inner, bracketed := strings.CutPrefix(s, "[")
	if bracketed {
		inner, bracketed = strings.CutSuffix(inner, "]")
	}
	addr, err := netip.ParseAddr(inner)
	switch {
	case err != nil:
		return netip.Addr{}, fmt.Errorf("%q is not an IP address", s)
	case addr.Is4In6():
		return netip.Addr{}, fmt.Errorf("%s: write the IPv4 address %s", s, addr.Unmap())
	case addr.Is6() != bracketed:
		return netip.Addr{}, fmt.Errorf("%s: brackets are for IPv6 addresses, and those need them", s)
	}
	return addr, nil
}

// String is the specification as Parse takes it.
func (s Spec) String() string {
	ports := fmt.Sprintf("%d:%d/%s", s.HostPort, s.Port, s.Proto)
	switch {
	case !s.Addr.IsValid():
		return ports
	case s.Addr.Is6():
		return "[" + s.Addr.String() + "]:" + ports
	}
	return s.Addr.String() + ":" + ports
}
