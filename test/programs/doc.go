// Package programs is the list of real programs that must work in the
// sandbox: one row a program, each with its own setup, commands and checks.
// A row knows no place: it runs at a [Site], natively or under netbox, in the
// world of namespaces (test/e2e) or in a container (test/container).
package programs
