package procfs

import (
	_ "embed"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"sync"

	"netbox/netemu/stack"
)

// sysctlText has a line for each file below /proc/sys/net of Linux 6.18: name,
// mode in octal, and value. Files of modules (netfilter, bridge, MPTCP) are
// missing. Those of lo and eth0 stand for the interfaces.
//
//go:embed sysctl.txt
var sysctlText string

type sysctl struct {
	name  string
	mode  fs.FileMode
	value string
}

var sysctls = sync.OnceValues(func() (list []sysctl, byName map[string]sysctl) {
	byName = map[string]sysctl{}
	for line := range strings.Lines(sysctlText) {
		name, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		mode, value, _ := strings.Cut(rest, " ")
		bits, err := strconv.ParseUint(mode, 8, 9)
		if err != nil {
			panic("procfs: BUG: sysctl.txt: " + line)
		}
		c := sysctl{name, fs.FileMode(bits), value}
		list, byName[name] = append(list, c), c
	}
	return list, byName
})

// stackSysctls are the values that the stack has otherwise than Linux, or may
// have.
var stackSysctls = map[string]func(stack.Limits) string{
	"ipv4/ip_local_port_range": func(l stack.Limits) string { return fmt.Sprintf("%d\t%d", l.FirstPort, l.LastPort) },
	"ipv4/ip_default_ttl":      func(l stack.Limits) string { return strconv.Itoa(l.TTL) },
	"ipv4/tcp_rmem":            func(l stack.Limits) string { return fmt.Sprintf("%d\t%d\t%d", l.TCPMin, l.TCPDefault, l.TCPMaxReceive) },
	"ipv4/tcp_wmem":            func(l stack.Limits) string { return fmt.Sprintf("%d\t%d\t%d", l.TCPMin, l.TCPDefault, l.TCPMaxSend) },
	"core/rmem_default":        func(l stack.Limits) string { return strconv.Itoa(l.DefaultBuffer) },
	"core/wmem_default":        func(l stack.Limits) string { return strconv.Itoa(l.DefaultBuffer) },
	"core/rmem_max":            func(l stack.Limits) string { return strconv.Itoa(l.MaxBuffer) },
	"core/wmem_max":            func(l stack.Limits) string { return strconv.Itoa(l.MaxBuffer) },
}

// template is the interface in sysctl.txt that stands for all but lo.
const template = "eth0"

// ofInterface splits the name of an interface's file: ipv4/conf/eth0/forwarding.
func ofInterface(name string) (dir, device, file string, ok bool) {
	parts := strings.SplitN(name, "/", 4)
	if len(parts) != 4 || parts[1] != "conf" && parts[1] != "neigh" || parts[2] == "all" || parts[2] == "default" {
		return "", "", "", false
	}
	return parts[0] + "/" + parts[1], parts[2], parts[3], true
}

func sysctlNames(s Source) []string {
	var names []string
	list, _ := sysctls()
	for _, c := range list {
		dir, device, file, ok := ofInterface(c.name)
		if !ok {
			names = append(names, c.name)
			continue
		}
		for _, i := range s.Interfaces() {
			if i.Loopback == (device == "lo") {
				names = append(names, dir+"/"+i.Name+"/"+file)
			}
		}
	}
	return names
}

func sysctlNode(s Source, name string) (Node, bool) {
	_, byEntry := sysctls()
	entry := name
	dir, device, file, of := ofInterface(name)
	var i stack.Interface
	if of {
		var ok bool
		if i, ok = byName(s, device); !ok {
			return Node{}, false
		}
		entry = dir + "/" + template + "/" + file
		if i.Loopback {
			entry = dir + "/lo/" + file
		}
	}
	c, ok := byEntry[entry]
	return Node{Mode: c.mode, read: func(s Source) []byte {
		text := c.value
		if get := stackSysctls[name]; get != nil {
			text = get(s.Limits())
		} else if of && dir == "ipv6/conf" && file == "mtu" {
			text = strconv.Itoa(i.MTU)
		}
		return []byte(text + "\n")
	}}, ok
}
