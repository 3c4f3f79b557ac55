// Package conformance runs test suites that nobody here wrote, case by case,
// natively and then under netbox with each engine: the share of the natively
// passing cases that also pass is the measure of netbox's fidelity.
//
// A suite is a list of cases in testdata and a program that runs the cases it
// is given in one process and tells on its output when each begins and how it
// ended. The native world is a host of a real kernel that has what the sandbox
// has (world.Twin); the sandbox's is the simulated internet, in a namespace
// that nothing leaves. The user is an ordinary one in both.
//
// Cases run in batches, several at once, each in a process and a world of its
// own. A case that hangs is ended with its process after [caseLimit], and a
// fresh process goes on with the next one.
//
// `go test` runs a fast part of each suite, and a case that fails there once
// more. `make conformance` runs it all,
// keeps the native verdicts in build/conformance for the next time, and writes
// docs/conformance.md. Each case that differs must be named in
// testdata/differences.yaml, together with the row of docs/limits.md that
// explains it.
package conformance
