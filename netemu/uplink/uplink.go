// Package uplink is where packets leave the sandbox: the one interface behind
// which its uplinks stand, and the address plan of the link that they share.
//
//	sandbox host (stack.NewHost) ── link ── uplink (nat, sim)      none: no link
//
// # Ownership and shutdown order
//
// The caller makes the link pair, gives one end to stack.NewHost and the other
// to Start. From then on each stack owns its end. Services that live on the
// far side (the DNS forwarder, published ports) are started on [Uplink.Stack]
// after Start and stopped before Close.
//
// The program has ended, so its sockets are closed: first [Drainer.Drain], if
// the uplink has it, so that what the program had written before it went still
// leaves, as the kernel would see to it; then the services; then the sandbox
// host's stack; then Close, which cancels what is waiting, closes the far
// stack and joins every goroutine the uplink started.
package uplink

import (
	"context"

	"netbox/netemu/link"
	"netbox/netemu/stack"
)

// Uplink is the far side of the sandbox's link.
type Uplink interface {
	// Linked says whether Start wants an end of a link. Without one the
	// sandbox has lo only, no route, and connect(2) gives ENETUNREACH.
	Linked() bool
	// Start takes over the far end of the link (nil when not Linked) and
	// returns when packets are served. It is called once.
	Start(l link.Endpoint) error
	// Stack is the far side's stack, on which host-side services listen and
	// dial; nil before Start and when not Linked.
	Stack() *stack.Stack
	// Close ends the uplink and joins its goroutines. A second call does
	// nothing.
	Close() error
}

// Drainer is an Uplink that hands bytes to someone who outlives the sandbox.
type Drainer interface {
	// Drain returns when all that the sandbox had sent is handed on, or ctx
	// is done.
	Drain(ctx context.Context)
}
