package rtnl

import (
	"net/netip"
	"reflect"
	"slices"

	"golang.org/x/sys/unix"

	"netbox/netemu/stack"
)

// change is a configuration that is being worked on.
type change struct {
	by     *Request
	links  []stack.Interface
	routes []stack.Route
	events []Event
	silent bool // something changed that is not announced

	// What links and routes were.
	oldLinks  []stack.Interface
	oldRoutes []stack.Route
}

// newChange starts from what s has.
func newChange(by *Request, s *stack.Stack) *change {
	c := &change{by: by, oldLinks: s.Interfaces(), oldRoutes: s.Routes()}
	c.links, c.routes = slices.Clone(c.oldLinks), slices.Clone(c.oldRoutes)
	for i := range c.links {
		c.links[i].Addrs = slices.Clone(c.links[i].Addrs)
	}
	return c
}

// apply hands the configuration over. Addresses go before routes, whose
// sources they may be; a link that is gone goes last.
func (c *change) apply(s *stack.Stack) unix.Errno {
	had := map[int32]stack.Interface{}
	for _, link := range c.oldLinks {
		had[link.Index] = link
	}
	for _, link := range c.links {
		old, ok := had[link.Index]
		delete(had, link.Index)
		if !ok {
			if errno := s.AddDummy(link); errno != 0 {
				return errno
			}
		}
		if reflect.DeepEqual(old, link) {
			continue
		}
		if errno := s.SetInterface(link); errno != 0 {
			return errno
		}
		if errno := s.SetAddresses(link.Index, link.Addrs); errno != 0 {
			return errno
		}
	}
	// The sources of rows follow from the addresses.
	s.SetRoutes(c.routes)
	for index := range had {
		if errno := s.RemoveInterface(index); errno != 0 {
			return errno
		}
	}
	return 0
}

// link is the link with an index, to be changed in place; nil: none.
func (c *change) link(index int32) *stack.Interface {
	for i := range c.links {
		if c.links[i].Index == index {
			return &c.links[i]
		}
	}
	return nil
}

func (c *change) linkNamed(name string) *stack.Interface {
	for i := range c.links {
		if c.links[i].Name == name {
			return &c.links[i]
		}
	}
	return nil
}

func (c *change) linkEvent(link *stack.Interface, flags uint32) {
	l := *link
	c.events = append(c.events, Event{Link: &l, Change: flags})
}

func (c *change) addressEvent(link *stack.Interface, a stack.Address, deleted bool) {
	e := Event{Address: &a, Interface: *link, Deleted: deleted}
	if a.Addr().Is4() {
		e.By = c.by // addrconf tells nobody who asked
	}
	c.events = append(c.events, e)
}

func (c *change) routeEvent(r stack.Route, deleted bool, flags uint16, by *Request) {
	c.events = append(c.events, Event{Route: &r, Deleted: deleted, Flags: flags, By: by})
}

// removeRoute takes row i out and tells of it.
func (c *change) removeRoute(i int, by *Request) {
	r := c.routes[i]
	c.routes = slices.Delete(c.routes, i, i+1)
	c.routeEvent(r, true, 0, by)
}

// flushRoutes takes out what matches, without a word, as fib_flush does.
func (c *change) flushRoutes(matches func(stack.Route) bool) {
	before := len(c.routes)
	c.routes = slices.DeleteFunc(c.routes, matches)
	c.silent = c.silent || len(c.routes) != before
}

// hasAddress4 says whether a link has IPv4 addresses.
func hasAddress4(link *stack.Interface) bool {
	return slices.ContainsFunc(link.Addrs, func(a stack.Address) bool { return a.Addr().Is4() })
}

// addresses counts those of all links.
func (c *change) addresses() int {
	n := 0
	for _, link := range c.links {
		n += len(link.Addrs)
	}
	return n
}

// owner is the link with an address, nil if there is none.
func (c *change) owner(ip netip.Addr) *stack.Interface {
	for i := range c.links {
		for _, a := range c.links[i].Addrs {
			if a.Addr() == ip {
				return &c.links[i]
			}
		}
	}
	return nil
}

// far is the address of which the network is a part: the far end's or its own.
func far(a stack.Address) netip.Addr {
	if a.Peer.IsValid() {
		return a.Peer
	}
	return a.Addr()
}
