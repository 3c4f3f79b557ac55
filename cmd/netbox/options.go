package main

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"

	"github.com/urfave/cli/v2"

	"netbox/netemu/dns"
	"netbox/netemu/publish"
	"netbox/netemu/uplink"
	"netbox/tracer"
)

// options are the checked flags of netbox run.
type options struct {
	args      []string
	uplink    string
	simFile   string
	resolver  dns.Config
	upstreams []netip.AddrPort
	names     *dns.Zone
	ports     []publish.Spec

	engine       tracer.Engine
	hostLoopback bool
	noFastPath   bool
	allowUnix    []string
	passFDs      []int
	report       *ledgerReport
	log          *slog.Logger
}

func parseOptions(c *cli.Context) (options, error) {
	o := options{
		args: c.Args().Slice(), uplink: c.String("uplink"), simFile: c.String("sim"),
		hostLoopback: c.Bool("host-loopback"), noFastPath: c.Bool("no-fast-path"), allowUnix: c.StringSlice("allow-unix"), passFDs: c.IntSlice("pass-fd"),
	}
	if len(o.args) == 0 {
		return o, errors.New("no command given")
	}
	var err error
	if o.engine, err = parseEngine(c); err != nil {
		return o, err
	}
	if o.log, err = newLog(c.String("log-level")); err != nil {
		return o, err
	}
	if err := checkPassFDs(o.passFDs); err != nil {
		return o, err
	}
	if err := o.parseUplink(c); err != nil {
		return o, err
	}
	if err := o.parseNames(c); err != nil {
		return o, err
	}
	for _, p := range c.StringSlice("publish") {
		spec, err := publish.Parse(p)
		if err != nil {
			return o, fmt.Errorf("-p: %w", err)
		}
		o.ports = append(o.ports, spec)
	}
	if len(o.ports) > 0 && o.uplink == "none" {
		return o, errors.New("-p: a sandbox without an uplink has no way in; use --uplink nat, host or sim")
	}
	o.report, err = openReport(c.String("report"))
	return o, err
}

func parseEngine(c *cli.Context) (tracer.Engine, error) {
	// NETBOX_ENGINE may be set and empty.
	engine := cmp.Or(tracer.Engine(c.String("engine")), tracer.Auto)
	switch engine {
	case tracer.Auto, tracer.Notify, tracer.Ptrace:
	default:
		return engine, fmt.Errorf("--engine %q: want auto, notify or ptrace", engine)
	}
	if !c.Bool("debuggable") {
		return engine, nil
	}
	if engine == tracer.Ptrace {
		return engine, errors.New("--debuggable: a task has one tracer, which --engine ptrace is itself; use --engine notify, or auto")
	}
	return tracer.Debuggable, nil
}

func (o *options) parseUplink(c *cli.Context) error {
	if o.simFile != "" && !c.IsSet("uplink") {
		o.uplink = "sim"
	}
	switch {
	case !slices.Contains([]string{"nat", "host", "sim", "none"}, o.uplink):
		return fmt.Errorf("--uplink %q: want nat, host, sim or none", o.uplink)
	case o.simFile != "" && o.uplink != "sim":
		return fmt.Errorf("--sim is for --uplink sim, not %s", o.uplink)
	case o.uplink == "host" && o.engine == tracer.Debuggable:
		return errors.New("--debuggable is not for --uplink host: nothing would keep a hostile program from sending by a socket of the host's what nobody has judged; use --uplink nat")
	case o.hostLoopback && o.uplink != "nat" && o.uplink != "host":
		return fmt.Errorf("--host-loopback is for --uplink nat or host, not %s", o.uplink)
	}
	return nil
}

// resolvConf is what the program reads as well, see resolv.conf(5).
const resolvConf = "/etc/resolv.conf"

func (o *options) parseNames(c *cli.Context) (err error) {
	if o.resolver, err = dns.ReadResolvConf(resolvConf); err != nil {
		return err
	}
	o.upstreams = o.resolver.Upstreams()
	if servers := c.StringSlice("dns"); len(servers) > 0 {
		o.upstreams = nil
		for _, s := range servers {
			a, err := parseServer(s)
			if err != nil {
				return err
			}
			o.upstreams = append(o.upstreams, a)
		}
	}
	o.names = dns.NewHostZone(uplink.Gateway4, uplink.Gateway6)
	for _, h := range c.StringSlice("host") {
		if err := o.names.AddHostFlag(h); err != nil {
			return fmt.Errorf("--host: %w", err)
		}
	}
	return nil
}

// parseServer reads IP, IP:PORT or [IP6]:PORT.
func parseServer(s string) (netip.AddrPort, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.AddrPortFrom(a, dns.Port), nil
	}
	a, err := netip.ParseAddrPort(s)
	if err != nil || a.Port() == 0 {
		return netip.AddrPort{}, fmt.Errorf("--dns %q: want IP or IP:PORT", s)
	}
	return a, nil
}
