package ptrace

import "log/slog"

// Stats counts what the engine did.
type Stats struct {
	Traps    uint64 // seccomp-stops
	Exits    uint64 // syscall-exit-stops
	Events   uint64 // fork, exec and the like
	Signals  uint64 // signal-delivery-stops
	Groups   uint64 // group-stops
	Waits    uint64 // ppolls run for trap.Wait
	Receives uint64 // recvmsgs run for trap.Receive
	Installs uint64 // descriptors installed
	Lent     uint64 // descriptors sent to the supervisor
	Stale    uint64 // descriptors of killed tasks thrown away
	Remade   uint64 // control sockets made anew
	Chained  uint64 // trapped calls run again for a further step
	Parked   uint64 // tasks that waited for a gate or a control socket
	Foreign  uint64 // stops that a filter of the program's own asked for
	Refused  uint64 // process_vm_* on processes outside the box
	Watches  uint64 // times that a process was watched
	Watched  uint64 // stops for that
}

// LogValue makes a Stats one group of a log record.
func (s Stats) LogValue() slog.Value {
	return slog.GroupValue(
		slog.Uint64("traps", s.Traps), slog.Uint64("exits", s.Exits), slog.Uint64("events", s.Events),
		slog.Uint64("signals", s.Signals), slog.Uint64("groups", s.Groups),
		slog.Uint64("waits", s.Waits), slog.Uint64("receives", s.Receives),
		slog.Uint64("installs", s.Installs), slog.Uint64("stale", s.Stale), slog.Uint64("remade", s.Remade),
		slog.Uint64("chained", s.Chained), slog.Uint64("parked", s.Parked),
		slog.Uint64("foreign", s.Foreign), slog.Uint64("refused", s.Refused),
		slog.Uint64("watches", s.Watches), slog.Uint64("watched", s.Watched))
}
