// Package none is the uplink of a sandbox that has no network but its own
// loopback: no link, no eth0, no route, so that connect(2) to anywhere gives
// ENETUNREACH.
package none

import (
	"errors"

	"netbox/netemu/link"
	"netbox/netemu/stack"
)

// Uplink implements uplink.Uplink. Its zero value is ready.
type Uplink struct{}

// Linked implements uplink.Uplink: there is no link.
func (Uplink) Linked() bool { return false }

// Start implements uplink.Uplink. A link here would be one that nobody
// serves, so it is an error.
func (Uplink) Start(l link.Endpoint) error {
	if l != nil {
		return errors.New("uplink none: a link was given, but nothing would serve it")
	}
	return nil
}

// Stack implements uplink.Uplink: there is none.
func (Uplink) Stack() *stack.Stack { return nil }

// Close implements uplink.Uplink.
func (Uplink) Close() error { return nil }
