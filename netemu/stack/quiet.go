package stack

import (
	"io"
	"sync"

	"gvisor.dev/gvisor/pkg/log"
)

// silence turns off netstack's own log, which would write to stderr, the
// program's terminal: its lines are about single packets, which a program can
// make at will, and what they report is counted as well.
var silence = sync.OnceFunc(func() {
	// Its rate-limited loggers have kept the logger that SetTarget replaces;
	// they only say "info".
	log.SetLevel(log.Warning)
	log.SetTarget(log.GoogleEmitter{Writer: &log.Writer{Next: io.Discard}})
})
