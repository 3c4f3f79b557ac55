package dns

import (
	"net"
	"sync"
	"time"
)

// connSet are the open TCP connections of a Server. miekg's Shutdown ends
// reads only; a write to a program that never reads ends with the connection.
type connSet struct {
	mu     sync.Mutex
	closed bool
	open   map[net.Conn]struct{}
}

func (s *connSet) closeAll() {
	s.mu.Lock()
	s.closed = true
	open := s.open
	s.open = make(map[net.Conn]struct{})
	s.mu.Unlock()
	for c := range open {
		c.Close()
	}
}

// add says whether c may live.
func (s *connSet) add(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.open[c] = struct{}{}
	}
	return !s.closed
}

func (s *connSet) remove(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
}

// listener gives connections that are known to conns and whose writes end.
type listener struct {
	net.Listener
	conns *connSet
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if !l.conns.add(c) {
		c.Close()
		return nil, net.ErrClosed
	}
	return &conn{Conn: c, conns: l.conns}, nil
}

type conn struct {
	net.Conn
	conns *connSet
}

func (c *conn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

func (c *conn) Close() error {
	c.conns.remove(c.Conn)
	return c.Conn.Close()
}
