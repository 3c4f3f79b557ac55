package arrows

// module is this module's path.
const module = "netbox/"

// allowed says which of the project's packages a package may import; an entry ending in "/..." stands for a whole folder. A package of
// the project that is not listed fails the test: it needs a rule.
var allowed = map[string][]string{
	"trap":               {},
	"trap/debt":          {},
	"abi":                {},
	"seccomp":            {},
	"icmp":               {},
	"tracer":             {"trap", "seccomp", "abi", "tracer/..."},
	"tracer/ptrace":      {"trap", "trap/debt", "seccomp", "abi", "tracer/proc", "tracer/kick", "tracer/block"},
	"tracer/notify":      {"trap", "tracer/proc", "tracer/ptrace", "tracer/kick", "tracer/block"},
	"tracer/proc":        {},
	"tracer/kick":        {},
	"tracer/block":       {},
	"tracer/keeper":      {"tracer/proc"},
	"netemu":             {"trap", "trap/debt", "abi", "netemu/..."},
	"netemu/surrogate":   {"netemu/quick"},
	"netemu/quick":       {},
	"netemu/filter":      {},
	"netemu/ring":        {"abi"},
	"netemu/link":        {},
	"netemu/stack":       {"netemu/link"},
	"netemu/netdev":      {"abi", "netemu/stack"},
	"netemu/rtnl":        {"netemu/stack"},
	"netemu/ifreq":       {"abi", "netemu/stack", "netemu/netdev", "netemu/rtnl", "netemu/netlink/netnstest"},
	"netemu/netlink":     {"abi", "netemu/stack", "netemu/netdev", "netemu/rtnl", "netemu/netlink/netnstest"},
	"netemu/procfs":      {"abi", "netemu/stack", "netemu/netdev", "netemu/rtnl", "netemu/netlink", "netemu/netlink/netnstest"},
	"netemu/dns":         {},
	"netemu/publish":     {"netemu/stack", "netemu/uplink", "netemu/uplink/relay"},
	"netemu/uplink":      {"netemu/stack", "netemu/link", "icmp"},
	"netemu/uplink/...":  {"netemu/stack", "netemu/link", "netemu/uplink/...", "netemu/dns", "netemu/quick", "icmp"},
	"netemu/netlink/...": {},
	// It is for tests only.
	"netemu/netlink/netnstest": {"test/world"},
	"cmd/netbox":               {"trap", "abi", "seccomp", "icmp", "tracer/...", "netemu/..."},
	"cmd/netbox-icmp":          {"icmp"},
	"testprogs/...":            {},
	"test/...":                 {"test/...", "testprogs/..."},
}

// testSupport is what every package's tests may import besides, and
// testAllowed what those of one package may.
var (
	testSupport = []string{"test/world", "test/bed"}
	testAllowed = map[string][]string{
		// A published port is tried through a real gateway.
		"netemu/publish": {"netemu/link", "netemu/uplink/nat"},
		// The host whose answers are compared is a real stack on a link.
		"netemu/netlink": {"netemu/link"},
		"netemu/ifreq":   {"netemu/link"},
		"netemu/procfs":  {"netemu/link"},
	}
)

// restricted says who alone may import a package of others, by prefix.
var restricted = map[string][]string{
	// One wrapper owns gVisor's knobs and its errors.
	"gvisor.dev/gvisor/": {"netemu/stack", "netemu/link"},
	// The seccomp filter is made in one place, and by the helper for itself.
	"github.com/elastic/go-seccomp-bpf": {"seccomp", "icmp", "cmd/netbox-icmp"},
	"github.com/urfave/cli/":            {"cmd/netbox"},
}

// Sizes that code is to be read in. Tests and C are not counted.
const (
	maxFileLines     = 300
	maxFunctionLines = 40
)

// longFunctions are those that may be longer, each with its bound and reason.
var longFunctions = map[string]int{}
