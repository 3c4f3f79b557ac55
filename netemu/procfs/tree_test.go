package procfs

import (
	"testing"

	"netbox/netemu/stack"
)

// counting counts how often it is asked for its interfaces.
type counting struct {
	*host
	asked int
}

func (c *counting) Interfaces() []stack.Interface { c.asked++; return c.host.Interfaces() }

// TestAskedOnce: a look at the tree takes the interfaces of one moment, however
// many names it has.
func TestAskedOnce(t *testing.T) {
	for name, look := range map[string]func(Source) bool{
		"list":      func(s Source) bool { return len(List(s)) > 0 },
		"file":      func(s Source) bool { _, ok := Lookup(s, "/proc/sys/net/ipv4/conf/lo/forwarding"); return ok },
		"directory": func(s Source) bool { _, ok := Lookup(s, "/proc/sys/net/ipv4/conf"); return ok },
		"missing":   func(s Source) bool { _, ok := Lookup(s, "/sys/class/net/eth9"); return !ok },
	} {
		c := &counting{host: &host{interfaces: []stack.Interface{{Index: 1, Name: "lo", Loopback: true}, {Index: 2, Name: "eth0"}}}}
		if !look(c) || c.asked != 1 {
			t.Errorf("%s: asked %d times", name, c.asked)
		}
	}
}
