// Package world makes networks of real kernels' hosts for tests, offline.
//
// A world is three hosts in a row, each a network namespace:
//
//	near —veth— router —veth— far
//
// near has no way out but the router. far holds on its loopback the addresses
// that programs like to try (8.8.8.8, 1.1.1.1, 203.0.113.0/24 and
// 198.51.100.0/24 hosts, and their v6 kin), and tests run real servers there.
// Nothing joins the three to the machine's own network.
//
// A namespace lives by its holder: the test binary, started again by [Main],
// which sleeps until its standard input ends. When the test's process ends,
// however it ends, the holders end, and with them the namespaces, veth pairs
// and mounts; no name is left in /run/netns, and there is nothing to sweep.
//
// Making namespaces takes root, or an unprivileged user namespace: [Main] runs
// the tests of an ordinary user again inside one. Where the machine allows
// neither, [New] skips the test, or fails it when CI is set.
package world
