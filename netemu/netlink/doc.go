// Package netlink answers as the kernel's rtnetlink and sock_diag do: an
// AF_NETLINK server, NETLINK_ROUTE for a host that package rtnl configures, and
// NETLINK_SOCK_DIAG for its [Sockets].
//
// In a nutshell: a [Server] stands for the kernel's side and owns the port ids;
// a [Conn] is one netlink socket. [Conn.Send] takes the datagram that a
// program sent, walks through its messages as netlink_rcv_skb does, looks each
// up in the table of request handlers (dispatch.go; sockdiag.go for sockets),
// and returns the datagrams that the socket receives for it. A handler makes
// rows (one message each) from one snapshot of the host; dump.go packs the
// rows of a dump into datagrams. No goroutine is started and nothing blocks.
//
// A request that changes something is decoded (addrset.go, routeset.go,
// linkset.go) and handed to package rtnl; what that has done comes back as
// events, which notify.go tells the members of their groups.
//
// Layouts, attributes and their order are those of Linux 6.18; a test compares
// them with the running kernel in a network namespace. Sources: netlink(7),
// rtnetlink(7), net/netlink/af_netlink.c, net/core/rtnetlink.c,
// net/ipv4/{devinet,fib_frontend,route}.c, net/ipv6/{addrconf,route}.c,
// sock_diag(7), net/core/sock_diag.c, net/ipv4/{inet,tcp,udp,raw}_diag.c.
//
// Lock order: rtnl's → Conn.mu → Server.mu. The last two are not held while the
// host is asked.
package netlink
