package main

import (
	"log/slog"
	"sync"

	"golang.org/x/sys/unix"

	"netbox/icmp"
)

// lazyEcho opens the way for echo requests when the first one is sent: most
// programs never ping, and need no helper.
type lazyEcho struct {
	log *slog.Logger

	mu       sync.Mutex
	tried    bool
	conn     *icmp.Conn
	receiver func(icmp.Reply)
}

// Send implements nat.Echoer. EACCES: there is no way to send, which was
// reported once.
func (l *lazyEcho) Send(r icmp.Request) unix.Errno {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.tried {
		l.tried = true
		conn, err := icmp.Open(icmp.Options{Log: l.log, Down: func(err error) { l.log.Warn("ICMP helper died, starting it again", "err", err) }})
		if err != nil {
			l.log.Warn("echo requests cannot leave the sandbox; 'netbox doctor' tells what would mend it", "err", err)
		} else {
			conn.SetReceiver(l.receiver)
			l.conn = conn
		}
	}
	if l.conn == nil {
		return unix.EACCES
	}
	return l.conn.Send(r)
}

// SetReceiver implements nat.Echoer.
func (l *lazyEcho) SetReceiver(f func(icmp.Reply)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.receiver = f
	if l.conn != nil {
		l.conn.SetReceiver(f)
	}
}

func (l *lazyEcho) close() {
	l.mu.Lock()
	conn := l.conn
	l.mu.Unlock()
	if conn != nil {
		conn.Close()
	}
}
