// Package testprogs lists the programs that prove what Linux does: run
// natively first, so that a wrong expectation shows, then under netbox, which
// must give the same.
//
// The C programs are in c/, one file a noun with several cases each (c/test.h
// tells the conventions); goprog/ holds the cases in Go. [Programs] is the
// table: which cases there are, as which builds, what each needs and where it
// must pass. A gap of netbox is a row whose Places lack a place, with the
// reason beside it. [Build] makes the binaries. test/dual and test/container
// run them.
//
// The servers of a case are in the case, over loopback. What needs a remote
// host takes its address from the environment:
//
//	NBT_BLACKHOLE    a host that answers nothing
//	NBT_REFUSED      a host that refuses every TCP port
//	NBT_UNREACHABLE  an address for which a router answers "host unreachable"
//	NBT_ECHO         a host that answers ping
//
// The package imports nothing of the project.
package testprogs
