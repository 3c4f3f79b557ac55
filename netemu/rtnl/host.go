// Package rtnl is what the kernel does under rtnl_lock: it changes the host's
// links, addresses and routing tables by Linux's rules, and tells who watches.
// Netlink requests and SIOC* ioctls come to it with their arguments decoded.
//
// A change works on a copy of the configuration (change.go). It notes what it
// does as events, in the order in which Linux announces them; then the copy
// is handed to the stack, and the events to the watcher. Requests are taken
// one at a time, so that notifications have the order of what they tell.
//
// Sources: net/core/{dev,rtnetlink}.c, net/ipv4/{devinet,fib_frontend,
// fib_semantics,fib_trie}.c, net/ipv6/{addrconf,route,ip6_fib}.c of Linux 6.18.
//
// Lock order: Host.mu is held over calls of the stack and of the watcher, which
// must not call back.
package rtnl

import (
	"sync"

	"golang.org/x/sys/unix"

	"netbox/netemu/stack"
)

// Bounds of a host's rows and addresses. A change of the routes makes netstack's
// table anew, in a time that grows with its square: about a millisecond at this
// many. Beyond: ENOBUFS, told to who asked for it, and counted.
const (
	maxRoutes    = 512
	maxAddresses = 256
)

// Host is the configuration of a stack. It is safe for concurrent use.
type Host struct {
	stack *stack.Stack

	mu    sync.Mutex
	watch func(Event)
	made  int32 // the highest index that a link was given
}

// New makes the configurator of s, of which there must be one only.
func New(s *stack.Stack) *Host { return &Host{stack: s} }

// Watch makes f hear of every change from now on, in order. It must not block
// nor call the Host.
func (h *Host) Watch(f func(Event)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.watch = f
}

// Interfaces lists the host's interfaces, by index.
func (h *Host) Interfaces() []stack.Interface { return h.stack.Interfaces() }

// Routes lists the rows of all routing tables.
func (h *Host) Routes() []stack.Route { return h.stack.Routes() }

// Request is who asks for a change, as the nlmsghdr tells: the flags decide
// between adding and replacing (NLM_F_*), the rest goes into notifications.
type Request struct {
	Port, Sequence uint32
	Flags          uint16
}

// Event is one change: that of the one field that is not nil.
type Event struct {
	Link    *stack.Interface
	Address *stack.Address
	Route   *stack.Route

	// Interface is what Address belongs to.
	Interface stack.Interface
	// Inet6 says that Link tells the IPv6 side of a link.
	Inet6   bool
	Deleted bool
	Change  uint32   // ifi_change
	Flags   uint16   // nlmsg_flags
	By      *Request // nil: the kernel itself
}

// Refusal is why a request fails: the errno, and Linux's words for the
// extended acknowledgement, "" if it has none.
type Refusal struct {
	Errno  unix.Errno
	Reason string
}

// Refuse makes a Refusal.
func Refuse(errno unix.Errno, reason string) *Refusal { return &Refusal{errno, reason} }

// Code is the number in NLMSG_ERROR and NLMSG_DONE: 0 or a negative errno.
func (r *Refusal) Code() int32 {
	if r == nil {
		return 0
	}
	return -int32(r.Errno)
}

// do runs a change. What it did before it failed stays, as in Linux.
func (h *Host) do(by Request, work func(c *change) *Refusal) *Refusal {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := newChange(&by, h.stack)
	failure := work(c)
	if len(c.events) == 0 && !c.silent {
		return failure
	}
	if errno := c.apply(h.stack); errno != 0 {
		return Refuse(errno, "netbox: the stack does not take this")
	}
	for _, e := range c.events {
		if h.watch != nil {
			h.watch(e)
		}
	}
	return failure
}
