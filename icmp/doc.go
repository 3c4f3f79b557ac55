// Package icmp sends ICMP and ICMPv6 echo requests for a process that may not
// open raw sockets itself, and hands back the replies and the ICMP errors
// that quote its own requests.
//
// In a nutshell: the supervisor opens a [Conn]. The Conn takes the first rung
// of a ladder that holds:
//
//	helper       netbox-icmp, a separate program that owns CAP_NET_RAW. It
//	             opens its raw sockets ([OpenEngine]), gives up every
//	             privilege, and then serves requests that come over a
//	             SOCK_SEQPACKET socket ([Engine.Serve]).
//	ping socket  socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP) in the supervisor
//	             itself, where net.ipv4.ping_group_range allows it.
//	none         Send answers EHOSTUNREACH, and the error of [Open] names the
//	             commands that mend it.
//
// Identifiers. Many pings of the box may use equal (ID, Seq) pairs, and the
// host has pings of its own. So neither rung sends the caller's pair: each
// request takes a slot of a [table], and the slot's number is what travels as
// identifier and sequence number. A reply is believed when its slot is in
// use and it comes from the address that the slot's request went to; an ICMP
// error, when the request that it quotes names such a slot and its
// destination. The reply is handed back with the caller's own ID, Seq and
// Token. Duplicates are handed on: the slot lives until it expires.
//
// Times are the kernel's CLOCK_REALTIME: receive stamps by SO_TIMESTAMPNS;
// send stamps are taken right around sendmmsg(2).
//
// Who owns what. An Engine belongs to one goroutine and has no locks. A Conn
// on the helper rung has a goroutine that starts the helper, reads its
// replies and starts it again when it dies, and one that writes requests;
// on the ping socket rung, one reader for each family. Receivers are called on
// those readers. Locks (helperRung.mu, pingSocket.mu) are leaves: nothing is
// called with one held, and one is never taken inside another.
package icmp
