// Package abi holds the layouts of the structures that cross the system-call
// border, as <linux/*.h> defines them for 64-bit little-endian machines. It
// only encodes and decodes bytes: where they come from and what they mean is
// the business of others.
package abi
