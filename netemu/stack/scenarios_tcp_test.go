package stack

import (
	"time"

	"golang.org/x/sys/unix"
)

// settle gives what should not happen the time to happen.
const settle = 300 * time.Millisecond

// settled waits for a handshake that may never end.
func settled(c sock) bool {
	for end := time.Now().Add(settle); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if c.Readiness(unix.POLLOUT) == unix.POLLOUT {
			return true
		}
	}
	return false
}

func tcpBacklog(s *script) {
	for _, backlog := range []int{0, 1, 3} {
		l := s.tcp(Inet4)
		s.say("bind", l.Bind(port("127.0.0.1", 0)))
		s.say("listen", backlog, l.Listen(backlog))
		a, _ := l.Local()
		late := 0
		for i := range backlog + 3 {
			c := s.tcp(Inet4)
			c.Connect(port("127.0.0.1", a.Port()))
			if i <= backlog {
				s.poll("connected", c, unix.POLLOUT)
			} else if settled(c) {
				late++
			}
		}
		// One may slip in while the ACK of the one before is on its way.
		s.say("all connected", late == 2)
		for range backlog + 1 {
			s.poll("listener", l, unix.POLLIN)
			k, en := l.AcceptSock()
			s.say("accept", en)
			if en == 0 {
				s.keep(k)
			}
		}
	}
}

func tcpTimeWait(s *script) {
	l := s.tcp(Inet4)
	s.say("reuse", l.SetBool(ReuseAddr, true))
	s.say("bind", l.Bind(port("127.0.0.1", 0)))
	s.say("listen", l.Listen(1))
	a, _ := l.Local()
	to := port("127.0.0.1", a.Port())
	c := s.tcp(Inet4)
	s.connect(c, to)
	s.poll("listener", l, unix.POLLIN)
	k, en := l.AcceptSock()
	s.say("accept", en)
	k.Close() // the server is in TIME_WAIT once the client has closed
	s.poll("client", c, unix.POLLIN)
	c.Close()
	l.Close()
	time.Sleep(settle)
	s.say("without reuse", s.tcp(Inet4).Bind(to))
	r := s.tcp(Inet4)
	s.say("reuse", r.SetBool(ReuseAddr, true))
	s.say("with reuse", r.Bind(to))
	s.say("listen", r.Listen(1))
	c = s.tcp(Inet4)
	s.connect(c, to)
}

func tcpInherit(s *script) {
	l := s.tcp(Inet4)
	s.say("bind", l.Bind(port("127.0.0.1", 0)))
	for o, v := range map[IntOption]int{KeepIdle: 11, KeepInterval: 12, KeepCount: 3, TTL: 33, TOS: 0x10, UserTimeout: 4000} {
		if en := l.SetInt(o, v); en != 0 {
			s.say("set", o, en)
		}
	}
	s.say("nodelay", l.SetBool(NoDelay, true))
	s.say("listen", l.Listen(1))
	a, _ := l.Local()
	c := s.tcp(Inet4)
	s.connect(c, port("127.0.0.1", a.Port()))
	s.poll("listener", l, unix.POLLIN)
	k, en := l.AcceptSock()
	s.say("accept", en)
	s.keep(k)
	for _, o := range []IntOption{KeepIdle, KeepInterval, KeepCount, TTL, TOS, UserTimeout} {
		v, en := k.GetInt(o)
		s.say("inherited", o, v, en)
	}
}

func tcpCloseListener(s *script) {
	l := s.tcp(Inet4)
	s.say("bind", l.Bind(port("127.0.0.1", 0)))
	s.say("listen", l.Listen(5))
	a, _ := l.Local()
	c := s.tcp(Inet4)
	s.connect(c, port("127.0.0.1", a.Port()))
	l.Close() // with a connection that nobody accepted
	s.poll("client", c, unix.POLLIN)
	_, en := c.Recv(1)
	s.say("recv", en)
	s.connect(s.tcp(Inet4), port("127.0.0.1", a.Port()))
	s.say("bind again", s.tcp(Inet4).Bind(port("127.0.0.1", a.Port())))
}

func tcpInProgress(s *script) {
	// Full backlogs do not answer, so that these handshakes hang.
	l := s.tcp(Inet4)
	s.say("bind", l.Bind(port("127.0.0.1", 0)))
	s.say("listen", l.Listen(0))
	a, _ := l.Local()
	to := port("127.0.0.1", a.Port())
	b := s.tcp(Inet4)
	b.Connect(to)
	s.poll("first", b, unix.POLLOUT)
	for range 3 {
		b = s.tcp(Inet4)
		b.Connect(to)
		settled(b)
	}
	c := s.tcp(Inet4)
	s.say("connect", c.Connect(to))
	time.Sleep(settle)
	s.say("readiness", c.Readiness(anyEvent))
	s.say("connect again", c.Connect(to))
	_, en := c.Recv(1)
	s.say("recv", en)
	_, en = c.SendTo([]byte("x"), nil)
	s.say("send", en)
	_, en = c.Remote()
	s.say("getpeername", en)
	s.local(c)
	s.say("SO_ERROR", c.TakeError())
}

func tcpShutdowns(s *script) {
	c, k := s.pair(Inet4, "127.0.0.1")
	s.say("shutdown read", c.Shutdown(true, false))
	s.poll("own", c, unix.POLLIN|unix.POLLRDHUP)
	n, en := c.Recv(1)
	s.say("recv", n, en)
	n, en = c.SendTo([]byte("abc"), nil)
	s.say("send", n, en)
	s.poll("peer", k, unix.POLLIN)
	n, en = k.Recv(8)
	s.say("peer recv", n, en)
	s.say("write too", c.Shutdown(false, true))
	s.say("again", c.Shutdown(false, true))
	s.poll("peer", k, unix.POLLIN|unix.POLLRDHUP)
	s.say("peer both", k.Shutdown(true, true))
	time.Sleep(settle)
	_, en = k.Remote()
	s.say("peer's getpeername", en)
}
