// Package dual runs the cases of testprogs natively first and then under
// netbox, as root and as an ordinary user.
//
// A case that fails natively expects the wrong thing, and is to be mended; one
// that passes natively and fails under netbox is a fault of netbox. Cases which
// print what calls answered are compared with the native run line by line;
// testdata/differences.yaml lists the lines that may differ, with the reason.
//
// Native runs are in a host of their own with the addresses of netbox's
// sandbox, beside a host that has those of the `sim` uplink: a world in which
// the same program meets the same answers. Where no namespaces can be made the
// cases that need such hosts are left out, by reason.
//
// netbox is built for the test unless NETBOX names a binary. Flags, after -args:
//
//	-cases REGEXP   only these, as program/case
//	-where LIST     of native,debuggable,notify,ptrace
//	-users LIST     of root,nobody
//	-uplink NAME    sim, or host, whose direct sockets reach the same hosts
//	-jobs N         how many cases run at once
//	-table FILE     where the whole table is written: build/dual.txt
package dual
