package testprogs

import "slices"

// Flavour is a way to build a program.
type Flavour string

const (
	Dynamic   Flavour = "dynamic"    // gcc, glibc
	Static    Flavour = "static"     // gcc -static
	StaticPIE Flavour = "static-pie" // gcc -static-pie
	Musl      Flavour = "musl"       // musl-gcc -static
	Go        Flavour = "go"         // Go without cgo: static
	GoCgo     Flavour = "go-cgo"     // Go with cgo: glibc's resolver and threads
)

// Place is a world in which a case must pass.
type Place uint8

const (
	Native     Place = 1 << iota // plain Linux
	Netbox                       // netbox, with either engine
	Debuggable                   // netbox run --debuggable
	Container                    // netbox inside Docker's default profile

	Everywhere = Native | Boxed
	Boxed      = Netbox | Debuggable | Container // what netbox promises and Linux does not
	Traced     = Native | Netbox | Container     // what netbox does only as the tracer
)

// Need is something that not every world has.
type Need uint8

const (
	// Root: capabilities, CAP_NET_RAW above all.
	Root Need = 1 << iota
	// Remote: the NBT_ hosts.
	Remote
	// PingRange: net.ipv4.ping_group_range has the user's group.
	PingRange
	// NetRaw: CAP_NET_RAW, which netbox does not ask for.
	NetRaw
	// Descriptors: RLIMIT_NOFILE may be raised to 4100.
	Descriptors
)

// Case is one test case of a program.
type Case struct {
	Name     string
	Flavours []Flavour
	Needs    Need
	Places   Place
	// Reason is why Places lacks one.
	Reason string
	// Compare: the case prints what calls answered, and the lines must be those
	// of a native run by the same user.
	Compare bool
}

// Program is a source with several cases.
type Program struct {
	Name  string
	Cases []Case
}

// Has tells whether the case must pass at p.
func (c Case) Has(p Place) bool { return c.Places&p != 0 }

// Flavours are the ways in which the program's cases are run.
func (p Program) Flavours() []Flavour {
	var all []Flavour
	for _, c := range p.Cases {
		all = append(all, c.Flavours...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
