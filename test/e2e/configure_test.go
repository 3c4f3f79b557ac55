package e2e

import (
	"regexp"
	"strings"
	"testing"

	"netbox/test/bed"
	"netbox/test/world"
)

// configured are what testdata/configure.sh prints, as regular expressions of
// each part: all of them must be there.
var configured = map[string][]string{
	"the same address":                {`Address already assigned|File exists`, `exit 2`},
	"address":                         {`eth0 +UP +10\.0\.2\.100/24 10\.0\.2\.101/24`},
	"source of the new address":       {`^10\.0\.2\.101\n`},
	"IPv6 address":                    {`fd00:2::65/64`, `fd00:2::64/64`, `fe80::aff:fe00:264/64`},
	"bind to an address that is gone": {`Cannot assign requested address`},
	"routes":                          {`(?m)^default via 10\.0\.2\.2 dev eth0 ?$`, `198\.51\.100\.0/24 via 10\.0\.2\.2 dev eth0 metric 5 mtu 1400`},
	"way":                             {`198\.51\.100\.1 via 10\.0\.2\.2 dev eth0 src 10\.0\.2\.100`, `mtu 1400`},
	"connect to 192.0.2.80":           {`^EINVAL\n`},
	"connect to 203.0.113.1":          {`^EACCES\n`},
	"connect to 2001:db8::80":         {`^EHOSTUNREACH\n`},
	"connect again":                   {`^200\n`},
	"no such gateway":                 {`Nexthop has invalid gateway`, `exit 2`},
	"link":                            {`mtu 1400 `, `state UP`},
	"down":                            {`[Nn]etwork is unreachable`},
	"no default route":                {`[Nn]etwork is unreachable`},
	"up":                              {`1 received`},
	"dummy":                           {`dummy0 +UNKNOWN +192\.168\.9\.1/24`},
	"its address":                     {`1 received`},
	"no dummy":                        {`does not exist`},
	"veth":                            {`Unknown device type`, `exit 2`},
	"eth0 stays":                      {`Operation not supported`, `exit 2`},
	"monitor": {
		`inet 10\.0\.2\.101/24 brd 10\.0\.2\.255 scope global secondary eth0`, `Deleted .*inet 10\.0\.2\.101/24`,
		`inet6 fd00:2::65/64`, `198\.51\.100\.0/24 via 10\.0\.2\.2 dev eth0 metric 5 `, `Deleted 198\.51\.100\.0/24`,
		`blackhole 192\.0\.2\.0/24`, `eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1400`, `eth0: <BROADCAST,MULTICAST> `,
		`dummy0: <BROADCAST,NOARP`, `Deleted .*dummy0`,
	},
}

// parts takes the output of a script apart at its lines "== NAME".
func parts(out string) map[string]string {
	all := map[string]string{}
	for _, part := range strings.Split("\n"+out, "\n== ")[1:] {
		name, text, _ := strings.Cut(part, "\n")
		all[name] = text
	}
	return all
}

// TestConfigure: the user that started netbox, root or not, may configure the
// sandbox's network, which then behaves so; subscribers hear of it.
func TestConfigure(t *testing.T) {
	bed.Need(t, "ip", "python3", "curl", "ping")
	script := testdata(t, "configure.sh")
	for _, u := range []bed.User{bed.Privileged(), bed.Unprivileged()} {
		t.Run(u.Name, func(t *testing.T) {
			r := runSim(t, u, "sh", script)
			got := parts(r.Out)
			for name, wants := range configured {
				for _, want := range wants {
					if !regexp.MustCompile(want).MatchString(got[name]) {
						t.Errorf("%s: no %q in %q", name, want, got[name])
					}
				}
			}
			if t.Failed() {
				t.Log(r.Output())
			}
		})
	}
}

// TestConfigureByOthers: a program that has become another user than netbox's
// may look, and not touch.
func TestConfigureByOthers(t *testing.T) {
	bed.Need(t, "ip", "setpriv")
	if world.InUserNamespace() {
		world.Skip(t, "becoming another user than netbox's is setresuid(2): EINVAL in a user namespace of one uid")
	}
	r := runSim(t, bed.Privileged(), "setpriv", "--reuid", "65534", "--clear-groups", "sh", "-c",
		"PATH=$PATH:/usr/sbin; ip -br addr; ip addr add 10.0.2.101/24 dev eth0; ip link set eth0 down; ip route del default; ip route")
	if strings.Count(r.Err, "Operation not permitted") != 3 || !strings.Contains(r.Out, "10.0.2.100/24") || !strings.Contains(r.Out, "default via") {
		t.Error(r.Output())
	}
}

// birdScript runs bird until its static route is there, and ends it.
const birdScript = `
PATH=$PATH:/usr/sbin
cat > bird.conf <<EOF
router id 10.0.2.100;
protocol device { }
protocol direct { ipv4; ipv6; }
protocol kernel { ipv4 { export where source = RTS_STATIC; import all; }; learn; }
protocol kernel { ipv6 { export where source = RTS_STATIC; }; }
protocol static { ipv4; route 198.51.100.0/24 via 10.0.2.2; route 192.0.2.0/24 blackhole; }
protocol static { ipv6; route 2001:db8::/32 via fd00:2::2; }
EOF
bird -f -c bird.conf -s bird.ctl -P bird.pid &
until ip route | grep -q '198.51.100.0/24 via 10.0.2.2 dev eth0 proto bird' && ip -6 route | grep -q '2001:db8::/32 via fd00:2::2 dev eth0 proto bird'; do sleep 0.1; done
ip route show type blackhole
ip route add 203.0.113.0/24 via 10.0.2.3
until birdc -s bird.ctl show route | grep -q '203.0.113.0/24'; do sleep 0.1; done
birdc -s bird.ctl show interfaces
kill $!
wait
echo left: $(ip route | grep -c bird)
`

// TestBird: a routing daemon installs its routes, hears of others', and takes
// its own back.
func TestBird(t *testing.T) {
	bed.Need(t, "ip", "bird", "birdc")
	for _, u := range []bed.User{bed.Privileged(), bed.Unprivileged()} {
		t.Run(u.Name, func(t *testing.T) {
			r := runSim(t, u, "sh", "-c", birdScript)
			for _, want := range []string{"blackhole 192.0.2.0/24 proto bird", "10.0.2.100/24 (Preferred", "fe80::aff:fe00:264/64", "left: 0"} {
				if !strings.Contains(r.Out, want) {
					t.Errorf("no %q: %s", want, r.Output())
				}
			}
		})
	}
}

// dnsmasqScript asks a dnsmasq on the sandbox's addresses, also on one that it
// gets while dnsmasq runs.
const dnsmasqScript = `
PATH=$PATH:/usr/sbin
dnsmasq ${1:--k -u $(id -un) -g $(id -gn)} -C /dev/null -p 5353 --bind-dynamic --no-resolv --no-hosts --address=/box.test/192.0.2.7 --pid-file= --log-facility=- &
ask() { until dig +short +time=1 +tries=1 -p 5353 @$1 box.test | grep -x 192.0.2.7; do sleep 0.1; done; }
ask 127.0.0.1
ask 10.0.2.100
ip addr add 10.0.2.77/24 dev eth0
ask 10.0.2.77
ask fd00:2::64
kill $!
wait
`

// TestDnsmasq: dnsmasq, which listens for new addresses, answers on them.
func TestDnsmasq(t *testing.T) {
	bed.Need(t, "ip", "dnsmasq", "dig")
	for _, u := range []bed.User{bed.Privileged(), bed.Unprivileged()} {
		t.Run(u.Name, func(t *testing.T) {
			ids := ""
			if world.InUserNamespace() {
				ids = "-d" // setgroups(2) is refused there: only its debug mode changes no ids
			}
			r := runSim(t, u, "sh", "-c", dnsmasqScript, "sh", ids)
			if strings.Count(r.Out, "192.0.2.7\n") != 4 {
				t.Error(r.Output())
			}
		})
	}
}
