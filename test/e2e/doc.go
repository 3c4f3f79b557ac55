// Package e2e runs netbox as its users do: real programs, as root and as an
// ordinary user without capabilities, on the uplink nat in the world of
// namespaces, and on the simulated one; and the command line itself.
//
// Every program runs natively first, at the same place against the same
// servers: what fails there is the test's fault.
package e2e
