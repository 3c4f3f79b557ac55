// Package keeper holds the tree of a box that no tracer holds: a process between
// the supervisor and the program, the program's parent.
//
//	supervisor ── keeper ── program ── …
//	                  └──── what the box has orphaned
//
// The keeper is a child subreaper (prctl(2)): whatever the box forks, by whatever
// double fork or setsid(2), stays its descendant. It has one end of a socket pair,
// the supervisor has the other, so it sees the supervisor's end, however that comes
// (PR_SET_PDEATHSIG would tell the program alone: fork(2) clears it). When that or
// the program ends, it kills all of its descendants until none is left.
//
// When the keeper is killed, the box becomes the supervisor's, a subreaper too,
// which does the same. Who kills both at once has freed the box of them, but not of
// the filter: without a listener its network calls are ENOSYS.
//
// It is netbox's own image under another name, see [Name]; nothing of the box may
// trace it (PR_SET_DUMPABLE).
package keeper
