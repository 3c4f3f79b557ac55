// Package fuzz drives every trapped system call with hostile arguments, from C
// programs in the sandbox (testdata/*.c).
//
// calls plays scenes of random calls whose results the kernel alone decides;
// its output under netbox is compared with a native run in a network namespace
// that has a loopback and nothing else, as the sandbox without an uplink. A
// scene that differs is shrunk to the calls that it takes, and reported with
// the command that plays it. testdata/differences.yaml lists what may differ,
// with the reason.
//
// chaos lets threads and children race each other on shared sockets and memory.
// What netbox answers is not looked at: it must end in time, and hold neither
// more goroutines nor descriptors nor memory after a long run than after a short
// one.
//
// Without flags both run briefly on fixed seeds. Flags, after -args:
//
//	-for DURATION  run for so long, half of it each (make fuzz)
//	-seed N        begin with this seed
package fuzz
