// Package sim is an uplink behind which there is an internet of our own: hosts
// with names, echo, DNS, HTTP and small services, delay, loss and silence, as
// a YAML file or the built-in default (default.yaml) says. No packet and no
// host socket leaves the process. docs/sim.md is the reference of the file.
//
// # Mechanism
//
// An [Internet] is what a file says, checked. An [Uplink] serves one on a
// gateway stack, which hands over every SYN, first datagram and echo request,
// whatever its destination:
//
//	sandbox ── link ── gateway ─┬─ Echo → echo.go
//	                            ├─ TCP  → tcp.go → http.go
//	                            ├─ UDP  → udp.go
//	                            └─ own addresses, port 53 → netemu/dns.Server → the zone of all names
//
// Loss and delay are decided there, at the hand-over, with the conditions of
// the destination: for every echo request, datagram and question; for TCP for
// the SYN alone, because what follows is netstack's own and would only be sent
// again. Delay is thus a round-trip time, and for TCP that of the handshake.
//
// # Ownership
//
// An Internet is read-only once made. The Uplink owns its stack, the resolver,
// the HTTP server, every connection ([flows]) and everything that waits for its
// time ([delayer]); Close ends and joins them in this order: what is delayed,
// the resolver, the HTTP server, the connections, the stack.
//
// Lock order: the mutexes of flows, delayer and listener are leaves.
package sim
