package notify

import (
	"log/slog"
	"sync/atomic"
)

// Stats counts what the engine did.
type Stats struct {
	notified, continued, answered atomic.Uint64
	installs, naps, receives      atomic.Uint64
	handedOver, passed            atomic.Uint64
	restarted, strangers          atomic.Uint64
}

// LogValue makes a Stats one group of a log record.
func (s *Stats) LogValue() slog.Value {
	return slog.GroupValue(
		slog.Uint64("notified", s.notified.Load()), slog.Uint64("continued", s.continued.Load()),
		slog.Uint64("answered", s.answered.Load()), slog.Uint64("installs", s.installs.Load()),
		slog.Uint64("naps", s.naps.Load()), slog.Uint64("receives", s.receives.Load()),
		slog.Uint64("handed-over", s.handedOver.Load()), slog.Uint64("passed", s.passed.Load()),
		slog.Uint64("restarted", s.restarted.Load()), slog.Uint64("strangers", s.strangers.Load()))
}
