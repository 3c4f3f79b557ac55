package netlink

import (
	"encoding/binary"
	"strconv"

	"golang.org/x/sys/unix"
)

// maxGroup is RTNLGRP_MAX of Linux 6.18 (RTNLGRP_IPV4_MCADDR,
// RTNLGRP_IPV6_MCADDR and RTNLGRP_IPV6_ACADDR are the latest).
const maxGroup = 39

// maxDiagGroup is how many groups a NETLINK_SOCK_DIAG socket may name: it has
// four, which nothing is ever sent to, in one word of 32 (NLGRPSZ).
const maxDiagGroup = 32

// groupSet has the multicast groups of a socket: bit n-1 for group n.
type groupSet uint64

func (g groupSet) mask() uint32 { return uint32(g) }

// setMask replaces the groups 1…32.
func (g *groupSet) setMask(mask uint32) { *g = *g>>32<<32 | groupSet(mask) }

func (g *groupSet) set(group int, on bool) {
	bit := groupSet(1) << (group - 1)
	*g &^= bit
	if on {
		*g |= bit
	}
}

// switches are the SOL_NETLINK options that are on or off. NETLINK_PKTINFO is
// for whoever delivers the datagrams; NETLINK_BROADCAST_ERROR is for senders to
// groups.
var switches = map[int]bool{
	unix.NETLINK_EXT_ACK:         true,
	unix.NETLINK_CAP_ACK:         true,
	unix.NETLINK_GET_STRICT_CHK:  true,
	unix.NETLINK_PKTINFO:         true,
	unix.NETLINK_BROADCAST_ERROR: true,
	unix.NETLINK_NO_ENOBUFS:      true,
	unix.NETLINK_LISTEN_ALL_NSID: true,
}

func (c *Conn) maxGroup() uint32 {
	if c.protocol == unix.NETLINK_SOCK_DIAG {
		return maxDiagGroup
	}
	return maxGroup
}

// SetOption is setsockopt(2) at level SOL_NETLINK with the value b, see
// netlink(7); one that is shorter than an int counts as 0. EINVAL: no such
// group. EPERM: NETLINK_LISTEN_ALL_NSID, which takes CAP_NET_BROADCAST.
// ENOPROTOOPT: unknown.
func (c *Conn) SetOption(option int, b []byte) unix.Errno {
	value := uint32(0)
	if len(b) >= 4 {
		value = binary.NativeEndian.Uint32(b)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case option == unix.NETLINK_LISTEN_ALL_NSID:
		return unix.EPERM
	case option == unix.NETLINK_ADD_MEMBERSHIP, option == unix.NETLINK_DROP_MEMBERSHIP:
		if value == 0 || value > c.maxGroup() {
			return unix.EINVAL
		}
		c.joined = true
		c.groups.set(int(value), option == unix.NETLINK_ADD_MEMBERSHIP)
		return 0
	case switches[option]:
		if c.options == nil {
			c.options = map[int]bool{}
		}
		c.options[option] = value != 0
		return 0
	}
	c.reportUnknown("SOL_NETLINK option "+strconv.Itoa(option), option)
	return unix.ENOPROTOOPT
}

// Option is getsockopt(2) at level SOL_NETLINK: the value, to be cut to the
// program's buffer. For NETLINK_LIST_MEMBERSHIPS it is an array of 32-bit
// words, whose full length is told: 0 for a socket that never had groups. ENOPROTOOPT: unknown.
func (c *Conn) Option(option int) ([]byte, unix.Errno) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case option == unix.NETLINK_LIST_MEMBERSHIPS && !c.joined:
		return nil, 0
	case option == unix.NETLINK_LIST_MEMBERSHIPS:
		b := binary.NativeEndian.AppendUint32(nil, uint32(c.groups))
		return binary.NativeEndian.AppendUint32(b, uint32(c.groups>>32)), 0
	case switches[option]:
		value := uint32(0)
		if c.options[option] {
			value = 1
		}
		return binary.NativeEndian.AppendUint32(nil, value), 0
	}
	c.reportUnknown("SOL_NETLINK option "+strconv.Itoa(option), option)
	return nil, unix.ENOPROTOOPT
}

// IgnoresOverrun says whether the program does not want to hear that answers
// were dropped (NETLINK_NO_ENOBUFS).
func (c *Conn) IgnoresOverrun() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.options[unix.NETLINK_NO_ENOBUFS]
}
