// Package stack wraps gVisor's netstack.
package stack
