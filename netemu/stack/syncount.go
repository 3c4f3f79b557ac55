package stack

import (
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

// defaultSynCount is net.ipv4.tcp_syn_retries. netstack keeps TCP_SYNCNT but
// always sends that many SYNs again, until its RTO passes 120 s.
const defaultSynCount = 6

// synTimeout is how long Linux waits for an answer to count+1 SYNs, the first
// RTO being one second and each next one the double.
func synTimeout(count int) time.Duration {
	return time.Duration(1<<(count+1)-1) * time.Second
}

// limitSyns ends the handshake that has just started when TCP_SYNCNT says so
// before netstack does.
func (e *Endpoint) limitSyns() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.synCount == 0 || e.synCount >= defaultSynCount {
		return
	}
	e.synTimer = time.AfterFunc(synTimeout(e.synCount), e.giveUp)
}

// giveUp ends a handshake with ETIMEDOUT.
func (e *Endpoint) giveUp() {
	switch tcp.EndpointState(e.ep.State()) {
	case tcp.StateConnecting, tcp.StateSynSent:
	default:
		return
	}
	e.mu.Lock()
	e.gaveUp = true
	e.mu.Unlock()
	e.ep.Abort()
}

// stopTimer ends the wait of limitSyns, if there is one.
func (e *Endpoint) stopTimer() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.synTimer != nil {
		e.synTimer.Stop()
	}
}

// timedOutLocked makes the error of an aborted handshake ETIMEDOUT when giveUp did it.
//
// Preconditions: e.mu is locked.
func (e *Endpoint) timedOutLocked(en unix.Errno) unix.Errno {
	if e.gaveUp && en == unix.ECONNABORTED {
		return unix.ETIMEDOUT
	}
	return en
}
