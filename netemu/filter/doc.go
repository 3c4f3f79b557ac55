// Package filter runs classic BPF socket filters (SO_ATTACH_FILTER,
// Documentation/networking/filter.rst): what libpcap, ping and DHCP clients hand
// to the kernel, which sees no packet here.
//
// [New] accepts what bpf_check_classic of net/core/filter.c accepts, and
// [Program.Run] gives what the kernel would. The interpreters of
// golang.org/x/net/bpf and gVisor do neither: both lack the loads at negative
// offsets (the packet's protocol, type and interface, which libpcap's filters
// on "any" begin with), and the former negation and ldx len too.
//
// Jumps go forward only, so that a program ends after at most as many steps as
// it has instructions, and [maxInstructions] bounds the work of a hostile one.
// A Program is immutable and safe for concurrent use.
package filter
