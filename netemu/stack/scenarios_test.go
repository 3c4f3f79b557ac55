package stack

import (
	"golang.org/x/sys/unix"
)

// scenarios are what TestDual plays on Linux and here.
var scenarios = map[string]func(*script){
	"tcp fresh socket":        tcpFresh,
	"tcp bind":                tcpBind,
	"tcp connect errors":      tcpConnectErrors,
	"tcp listen and accept":   tcpListenAccept,
	"tcp half-close":          tcpHalfClose,
	"tcp reset":               tcpReset,
	"tcp v6only":              tcpV6Only,
	"udp bind":                udpBind,
	"udp connect":             udpConnect,
	"udp send":                udpSend,
	"udp refused":             udpRefused,
	"udp broadcast":           udpBroadcast,
	"udp shutdown":            udpShutdown,
	"options":                 optionValues,
	"tcp backlog":             tcpBacklog,
	"tcp time-wait":           tcpTimeWait,
	"tcp inherited options":   tcpInherit,
	"tcp close listener":      tcpCloseListener,
	"tcp connect in progress": tcpInProgress,
	"tcp shutdown kinds":      tcpShutdowns,
	"udp demultiplexing":      udpDemux,
	"udp v4 and v6":           udpMixed,
}

const anyEvent = unix.POLLIN | unix.POLLOUT

func tcpFresh(s *script) {
	for _, f := range []Family{Inet4, Inet6} {
		k := s.tcp(f)
		s.poll("fresh", k, anyEvent)
		_, en := k.Remote()
		s.say("getpeername", en)
		_, en = k.Recv(1)
		s.say("recv", en)
		s.say("shutdown", k.Shutdown(true, true))
		_, en = k.SendTo([]byte("x"), nil)
		s.say("send", en)
		_, en = k.AcceptSock()
		s.say("accept", en)
		s.say("SO_ERROR", k.TakeError())
		s.local(k)
	}
}

func tcpBind(s *script) {
	a := s.tcp(Inet4)
	s.say("bind", a.Bind(port("127.0.0.1", 0)))
	p := s.local(a)
	s.say("bind twice", a.Bind(port("127.0.0.1", 0)))
	b := s.tcp(Inet4)
	s.say("in use", b.Bind(port("127.0.0.1", p)))
	s.say("in use by wildcard", b.Bind(port("0.0.0.0", p)))
	s.say("another address", b.Bind(port("127.0.0.2", p)))
	s.say("not ours", s.tcp(Inet4).Bind(port("10.0.2.7", 0)))
	s.say("not ours", s.tcp(Inet6).Bind(port("fd00:2::7", 0)))
	s.say("eth0", s.tcp(Inet4).Bind(port("10.0.2.100", 0)))
	s.say("eth0", s.tcp(Inet6).Bind(port("fd00:2::64", 0)))
	s.say("127.0.0.53", s.tcp(Inet4).Bind(port("127.0.0.53", 0)))
	m := s.tcp(Inet6)
	s.say("mapped", m.Bind(port("::ffff:127.0.0.1", 0)))
	s.local(m)
	s.say("mapped in use", s.tcp(Inet6).Bind(port("::ffff:127.0.0.1", p)))
	s.say("dual wildcard in use", s.tcp(Inet6).Bind(port("::", p)))

	l := s.tcp(Inet4)
	s.say("reuse", l.SetBool(ReuseAddr, true))
	s.say("bind", l.Bind(port("0.0.0.0", 0)))
	lp := s.local(l)
	r := s.tcp(Inet4)
	s.say("reuse", r.SetBool(ReuseAddr, true))
	s.say("both reuse", r.Bind(port("0.0.0.0", lp)))
	s.say("listen", l.Listen(1))
	r2 := s.tcp(Inet4)
	s.say("reuse", r2.SetBool(ReuseAddr, true))
	s.say("one listens", r2.Bind(port("0.0.0.0", lp)))
}

func tcpConnectErrors(s *script) {
	for _, dst := range []string{"127.0.0.1", "0.0.0.0", "10.0.2.100"} {
		s.connect(s.tcp(Inet4), port(dst, 9))
	}
	for _, dst := range []string{"::1", "::", "fd00:2::64", "::ffff:127.0.0.1", "::ffff:0.0.0.0"} {
		s.connect(s.tcp(Inet6), port(dst, 9))
	}
	s.connect(s.tcp(Inet4), port("255.255.255.255", 9))
	s.connect(s.tcp(Inet4), port("10.0.2.255", 9))
	s.connect(s.tcp(Inet4), port("224.0.0.1", 9))
	s.connect(s.tcp(Inet6), port("ff02::1", 9))
	k := s.tcp(Inet4)
	s.say("bind", k.Bind(port("127.0.0.1", 0)))
	s.say("loopback source", k.Connect(port("203.0.113.7", 9)))
	k = s.tcp(Inet4)
	s.connect(k, port("127.0.0.1", 9))
	s.poll("after refusal", k, anyEvent)
	_, en := k.SendTo([]byte("x"), nil)
	s.say("send", en)
}

// pair makes a connection over lo.
func (s *script) pair(f Family, host string) (client, server sock) {
	l := s.tcp(f)
	s.say("bind", l.Bind(port(host, 0)))
	s.say("listen", l.Listen(5))
	a, _ := l.Local()
	client = s.tcp(f)
	s.connect(client, port(host, a.Port()))
	s.poll("listener", l, unix.POLLIN)
	server, en := l.AcceptSock()
	s.say("accept", en)
	return client, s.keep(server)
}

func tcpListenAccept(s *script) {
	l := s.tcp(Inet4)
	s.say("listen unbound", l.Listen(5))
	p := s.local(l)
	s.say("idle listener", l.Readiness(anyEvent))
	_, en := l.AcceptSock()
	s.say("accept none", en)
	s.say("connect a listener", l.Connect(port("127.0.0.1", p)))
	_, en = l.Recv(1)
	s.say("recv", en)
	s.say("listen again", l.Listen(7))
	c := s.tcp(Inet4)
	s.connect(c, port("127.0.0.1", p))
	s.say("connect again", c.Connect(port("127.0.0.1", p)))
	s.say("bind connected", c.Bind(port("127.0.0.1", 0)))
	s.say("listen connected", c.Listen(1))
	s.poll("listener", l, unix.POLLIN)
	k, en := l.AcceptSock()
	s.say("accept", en)
	s.keep(k)
	r, en := k.Remote()
	a, _ := c.Local()
	s.say("remote is the client's", r == a, en)
	s.local(k)
	s.poll("connected", k, anyEvent)
	_, en = k.Recv(1)
	s.say("recv nothing", en)
	d := s.tcp(Inet6)
	s.connect(d, port("::ffff:127.0.0.1", p))
	r, en = d.Remote()
	s.say("mapped peer", r.Addr(), en)
	s.local(d)
}

func tcpHalfClose(s *script) {
	c, k := s.pair(Inet4, "127.0.0.1")
	s.say("shutdown", c.Shutdown(false, true))
	s.poll("peer", k, unix.POLLIN|unix.POLLRDHUP)
	n, en := k.Recv(1)
	s.say("EOF", n, en)
	_, en = c.SendTo([]byte("x"), nil)
	s.say("send after shutdown", en)
	n, en = k.SendTo([]byte("abc"), nil)
	s.say("send other way", n, en)
	s.poll("client", c, unix.POLLIN)
	n, en = c.Recv(10)
	s.say("recv", n, en)
	k.Close()
	s.poll("client", c, unix.POLLIN|unix.POLLRDHUP)
	n, en = c.Recv(10)
	s.say("EOF", n, en)
	s.say("SO_ERROR", c.TakeError())
	c, k = s.pair(Inet6, "::1")
	s.say("shutdown both", c.Shutdown(true, true))
	s.poll("peer", k, unix.POLLIN)
	n, en = c.Recv(1)
	s.say("recv own shutdown", n, en)
}

func tcpReset(s *script) {
	c, k := s.pair(Inet4, "127.0.0.1")
	c.SendTo([]byte("unread"), nil)
	s.poll("data", k, unix.POLLIN)
	k.Close()
	s.poll("reset", c, unix.POLLIN)
	_, en := c.Recv(1)
	s.say("recv", en)
	_, en = c.Recv(1)
	s.say("recv again", en)
	_, en = c.SendTo([]byte("x"), nil)
	s.say("send", en)
	s.say("SO_ERROR", c.TakeError())

	c, k = s.pair(Inet4, "127.0.0.1")
	c.SendTo([]byte("unread"), nil)
	s.poll("data", k, unix.POLLIN)
	k.Close()
	s.poll("reset", c, unix.POLLIN)
	s.say("SO_ERROR", c.TakeError())
	n, en := c.Recv(1)
	s.say("recv after SO_ERROR", n, en)
}

func tcpV6Only(s *script) {
	l := s.tcp(Inet6)
	s.say("v6only", l.SetBool(V6Only, true))
	s.say("bind", l.Bind(port("::", 0)))
	p := s.local(l)
	s.say("v6only bound", l.SetBool(V6Only, false))
	s.say("listen", l.Listen(1))
	s.connect(s.tcp(Inet4), port("127.0.0.1", p))
	s.say("v4 shares the port", s.tcp(Inet4).Bind(port("0.0.0.0", p)))
	c := s.tcp(Inet6)
	s.say("v6only", c.SetBool(V6Only, true))
	s.say("mapped", c.Connect(port("::ffff:127.0.0.1", p)))
	s.say("bind mapped", c.Bind(port("::ffff:127.0.0.1", 0)))
	s.connect(c, port("::1", p))
}
