// Package container runs netbox where most programs run today: inside a
// container, as uid 1000, with Docker's default capability set, seccomp
// profile, and masked and read-only paths, by Debian's runc. The container
// has a network namespace with nothing but its loopback.
//
// The profile is Docker's own (github.com/moby/profiles/seccomp). That it is
// in force is proven first: what netbox needs works, and what the profile
// refuses is refused.
package container
