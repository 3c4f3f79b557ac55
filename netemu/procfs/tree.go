package procfs

import (
	"cmp"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"netbox/netemu/netlink"
	"netbox/netemu/stack"
)

// Source is the host whose files the tree has. Its methods may be called from
// several goroutines at once.
type Source interface {
	Interfaces() []stack.Interface
	Routes() []stack.Route
	Groups() []stack.Group
	// Counters are by the names of nstat(8).
	Counters() map[string]uint64
	// Sockets lists those of a table, IPPROTO_TCP, _UDP, _RAW, _ICMP or
	// _ICMPV6, and a family.
	Sockets(table, family uint8) []netlink.Socket
	NetlinkSockets() []NetlinkSocket
	Limits() stack.Limits
}

// moment is a source that is asked once for its interfaces: each name of the tree
// looks for its own.
type moment struct {
	Source
	interfaces func() []stack.Interface
}

func (m moment) Interfaces() []stack.Interface { return m.interfaces() }

func atOnce(s Source) Source { return moment{s, sync.OnceValue(s.Interfaces)} }

// NetlinkSocket is an AF_NETLINK socket.
type NetlinkSocket struct {
	Protocol int
	PortID   uint32
	Groups   uint32 // the first 32, bit n-1 for group n
	Inode    uint64
}

// Node is a file, a directory or a link of the tree.
type Node struct {
	Mode fs.FileMode // of a file its permissions; of others also the type
	Link string      // target of a link
	read func(Source) []byte
}

// Read is the contents of a file as they are now.
func (n Node) Read(s Source) []byte { return n.read(s) }

// Lookup finds the node of a name that Judge has given.
func Lookup(s Source, name string) (Node, bool) {
	s = atOnce(s)
	var n Node
	var ok bool
	switch rest, inNet := strings.CutPrefix(name, netDir+"/"); {
	case inNet:
		n, ok = netNode(s, rest)
	case strings.HasPrefix(name, sysctlDir+"/"):
		n, ok = sysctlNode(s, name[len(sysctlDir)+1:])
	case strings.HasPrefix(name, devicesDir+"/"):
		n, ok = deviceNode(s, name[len(devicesDir)+1:])
	}
	if ok {
		return n, true
	}
	// Directories are where there are files.
	for _, e := range List(s) {
		if e.Name == name {
			return e.Node, true
		}
		if strings.HasPrefix(e.Name, name+"/") {
			return directory, true
		}
	}
	return Node{}, false
}

// The roots of the tree. Interfaces are also under /sys/class/net, as links.
const (
	netDir     = "/proc/net"
	sysctlDir  = "/proc/sys/net"
	classDir   = "/sys/class/net"
	devicesDir = "/sys/devices/virtual/net"
)

var directory = Node{Mode: fs.ModeDir | 0o555}

// Entry is a node and its name.
type Entry struct {
	Name string
	Node Node
}

// List is all files and links of the tree, by name.
func List(s Source) []Entry {
	if _, ok := s.(moment); !ok {
		s = atOnce(s)
	}
	var all []Entry
	add := func(dir string, names []string, node func(Source, string) (Node, bool)) {
		for _, name := range names {
			if n, ok := node(s, name); ok {
				all = append(all, Entry{dir + "/" + name, n})
			}
		}
	}
	add(netDir, netNames(s), netNode)
	add(sysctlDir, sysctlNames(s), sysctlNode)
	add(devicesDir, deviceNames(s), deviceNode)
	for _, i := range s.Interfaces() {
		all = append(all, Entry{classDir + "/" + i.Name, Node{
			Mode: fs.ModeSymlink | 0o777, Link: "../../devices/virtual/net/" + i.Name,
		}})
	}
	slices.SortFunc(all, func(a, b Entry) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// byName finds an interface.
func byName(s Source, name string) (stack.Interface, bool) {
	for _, i := range s.Interfaces() {
		if i.Name == name {
			return i, true
		}
	}
	return stack.Interface{}, false
}
