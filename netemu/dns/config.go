package dns

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/miekg/dns"
)

const (
	// Port is where DNS is served and asked, over UDP and TCP (RFC 1035
	// section 4.2).
	Port = 53

	// maxNameservers is MAXNS of glibc's <resolv.h>: later lines of
	// resolv.conf are never asked by a program on the host either.
	maxNameservers = 3
	// maxTimeout and maxAttempts are the caps of resolv.conf(5): RES_MAXRETRANS
	// seconds and RES_MAXRETRY.
	maxTimeout  = 30
	maxAttempts = 5
	// maxConfigSize bounds the file that is read: a path such as /dev/zero must
	// not fill the memory, and miekg's parser stops without an error at a line
	// longer than a bufio.Scanner's token.
	maxConfigSize = bufio.MaxScanTokenSize - 1
)

// HostName is the name of the host as the sandbox sees it.
const HostName = "host.netbox."

// Config is what a resolv.conf(5) file says of nameservers.
type Config struct {
	// Nameservers are the listed addresses, in order, without repetition,
	// v4-mapped ones as IPv4. Never empty: 127.0.0.1 where the file lists
	// none, as resolv.conf(5) has it.
	Nameservers []netip.Addr
	// Timeout is the wait for one server, Attempts the number of walks through
	// the list ("options timeout:n attempts:n").
	Timeout  time.Duration
	Attempts int
}

// ReadResolvConf reads a file in the format of resolv.conf(5). A file that is
// absent counts as empty, as it does for glibc. A nameserver that is no IP
// address is an error, not skipped: silently asking other servers than the
// user wrote is worse than a message.
func ReadResolvConf(path string) (Config, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return parsed(path, &dns.ClientConfig{Timeout: 5, Attempts: 2})
	}
	if err != nil {
		return Config{}, fmt.Errorf("resolver configuration: %w", err)
	}
	defer f.Close()
	return parseResolvConf(path, f)
}

func parseResolvConf(path string, r io.Reader) (Config, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxConfigSize+1))
	if err != nil {
		return Config{}, fmt.Errorf("resolver configuration: %w", err)
	}
	if len(text) > maxConfigSize {
		return Config{}, fmt.Errorf("resolver configuration %s: longer than %d bytes", path, maxConfigSize)
	}
	c, err := dns.ClientConfigFromReader(bytes.NewReader(text))
	if err != nil {
		return Config{}, fmt.Errorf("resolver configuration %s: %w", path, err)
	}
	return parsed(path, c)
}

func parsed(path string, c *dns.ClientConfig) (Config, error) {
	cfg := Config{
		Timeout:  time.Duration(min(c.Timeout, maxTimeout)) * time.Second,
		Attempts: min(c.Attempts, maxAttempts),
	}
	for _, s := range c.Servers {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return Config{}, fmt.Errorf("resolver configuration %s: nameserver %q is not an IP address", path, s)
		}
		a = a.Unmap()
		// Linux takes the unspecified address as a destination for loopback.
		switch a {
		case netip.IPv4Unspecified():
			a = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		case netip.IPv6Unspecified():
			a = netip.IPv6Loopback()
		}
		if len(cfg.Nameservers) < maxNameservers && !slices.Contains(cfg.Nameservers, a) {
			cfg.Nameservers = append(cfg.Nameservers, a)
		}
	}
	if len(cfg.Nameservers) == 0 {
		cfg.Nameservers = []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}
	}
	return cfg, nil
}

// Upstreams are the nameservers as a Forwarder on the host asks them.
func (c Config) Upstreams() []netip.AddrPort {
	var s []netip.AddrPort
	for _, a := range c.Nameservers {
		s = append(s, netip.AddrPortFrom(a, Port))
	}
	return s
}

// Loopback are the nameservers that a program in the sandbox looks for on its
// own lo; they are served on the sandbox's host stack.
func (c Config) Loopback() []netip.Addr {
	var s []netip.Addr
	for _, a := range c.Nameservers {
		if a.IsLoopback() {
			s = append(s, a)
		}
	}
	return s
}

func isScoped(a netip.Addr) bool { return a.Is6() && a.IsLinkLocalUnicast() }

// Routed are the addresses on the far side of the link at which the resolver
// answers: own, and the listed nameservers that are not on loopback. An IPv6
// link-local one (fe80::1%eth0) is not among them: its scope names an interface
// of the host, which the sandbox does not have. An IPv4 one is: clouds have
// their resolver at 169.254.169.254.
func (c Config) Routed(own ...netip.Addr) []netip.Addr {
	s := slices.Clone(own)
	for _, a := range c.Nameservers {
		if !a.IsLoopback() && !isScoped(a) && !slices.Contains(s, a) {
			s = append(s, a)
		}
	}
	return s
}
