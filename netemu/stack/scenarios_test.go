package stack

import (
	"time"

	"golang.org/x/sys/unix"
)

// scenarios are what TestDual plays on Linux and here.
var scenarios = map[string]func(*script){
	"tcp fresh socket":      tcpFresh,
	"tcp bind":              tcpBind,
	"tcp connect errors":    tcpConnectErrors,
	"tcp listen and accept": tcpListenAccept,
	"tcp half-close":        tcpHalfClose,
	"tcp reset":             tcpReset,
	"tcp v6only":            tcpV6Only,
	"udp bind":              udpBind,
	"udp connect":           udpConnect,
	"udp send":              udpSend,
	"udp refused":           udpRefused,
	"udp broadcast":         udpBroadcast,
	"udp shutdown":          udpShutdown,
	"options":               optionValues,
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

func udpBind(s *script) {
	a := s.udp(Inet4)
	s.say("bind", a.Bind(port("127.0.0.1", 0)))
	p := s.local(a)
	s.say("again", a.Bind(port("127.0.0.1", 0)))
	s.say("in use", s.udp(Inet4).Bind(port("127.0.0.1", p)))
	s.say("wildcard in use", s.udp(Inet4).Bind(port("0.0.0.0", p)))
	s.say("dual in use", s.udp(Inet6).Bind(port("::", p)))
	s.say("not ours", s.udp(Inet4).Bind(port("10.0.2.9", 0)))
	s.say("broadcast", s.udp(Inet4).Bind(port("255.255.255.255", 0)))
	s.say("directed broadcast", s.udp(Inet4).Bind(port("10.0.2.255", 0)))
	s.say("group", s.udp(Inet4).Bind(port("224.0.0.251", 0)))
	for range 2 {
		r := s.udp(Inet4)
		s.say("reuse", r.SetBool(ReuseAddr, true))
		s.say("shared", r.Bind(port("0.0.0.0", 5353)))
	}
	for range 2 {
		r := s.udp(Inet4)
		s.say("reuseport", r.SetBool(ReusePort, true))
		s.say("shared", r.Bind(port("0.0.0.0", 5354)))
	}
}

func udpConnect(s *script) {
	k := s.udp(Inet4)
	s.connect(k, port("203.0.113.7", 53))
	s.local(k)
	s.connect(k, port("127.0.0.1", 53))
	r, en := k.Remote()
	s.say("peer", r, en)
	s.say("disconnect", k.Disconnect())
	_, en = k.Remote()
	s.say("peer", en)
	_, en = k.SendTo([]byte("x"), nil)
	s.say("send", en)
	k = s.udp(Inet6)
	s.connect(k, port("2001:db8::7", 53))
	s.local(k)
	k = s.udp(Inet6)
	s.connect(k, port("::ffff:203.0.113.7", 53))
	s.local(k)
	r, en = k.Remote()
	s.say("peer", r, en)
	for _, dst := range []string{"0.0.0.0", "255.255.255.255", "10.0.2.255", "127.255.255.255"} {
		s.connect(s.udp(Inet4), port(dst, 53))
	}
	k = s.udp(Inet4)
	s.say("bind", k.Bind(port("127.0.0.1", 0)))
	s.connect(k, port("203.0.113.7", 53))
}

func udpSend(s *script) {
	l := s.udp(Inet4)
	s.say("bind", l.Bind(port("127.0.0.1", 0)))
	p := s.local(l)
	to := port("127.0.0.1", p)
	k := s.udp(Inet4)
	s.poll("fresh", k, anyEvent)
	_, en := k.SendTo([]byte("x"), nil)
	s.say("no destination", en)
	zero := port("127.0.0.1", 0)
	_, en = k.SendTo([]byte("x"), &zero)
	s.say("port 0", en)
	for _, size := range []int{0, 1, 1472, 65507, 65508, 70000} {
		n, en := k.SendTo(make([]byte, size), &to)
		s.say("send", size, n, en)
		if en == 0 {
			s.poll("receiver", l, unix.POLLIN)
			n, en = l.Recv(1 << 17)
			s.say("recv", n, en)
		}
	}
	s.local(k)
	wild := port("0.0.0.0", p)
	n, en := k.SendTo([]byte("abc"), &wild)
	s.say("to 0.0.0.0", n, en)
	k.SendTo([]byte("abcdef"), &to)
	s.poll("receiver", l, unix.POLLIN)
	n, en = l.Recv(2)
	s.say("recv", n, en)
	n, en = l.Recv(3)
	s.say("truncated", n, en)
	_, en = l.Recv(3)
	s.say("empty", en)
	c := s.udp(Inet4)
	s.connect(c, to)
	n, en = c.SendTo([]byte("y"), &to)
	s.say("connected with destination", n, en)
	b := s.udp(Inet4)
	s.say("bind", b.Bind(port("127.0.0.1", 0)))
	out := port("203.0.113.7", 9)
	_, en = b.SendTo([]byte("x"), &out)
	s.say("loopback source", en)
}

func udpRefused(s *script) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		f := Inet4
		if host == "::1" {
			f = Inet6
		}
		free := s.udp(f)
		s.say("bind", free.Bind(port(host, 0)))
		p := s.local(free)
		free.Close()
		k := s.udp(f)
		s.connect(k, port(host, p))
		_, en := k.SendTo([]byte("x"), nil)
		s.say("first", en)
		s.poll("error", k, unix.POLLIN)
		_, en = k.SendTo([]byte("x"), nil)
		s.say("second", en)
		_, en = k.SendTo([]byte("x"), nil)
		s.say("third", en)
		s.poll("error", k, unix.POLLIN)
		s.say("SO_ERROR", k.TakeError())
		s.say("SO_ERROR again", k.TakeError())
		k.SendTo([]byte("x"), nil)
		s.poll("error", k, unix.POLLIN)
		_, en = k.Recv(1)
		s.say("recv", en)
		_, en = k.Recv(1)
		s.say("recv again", en)
		u := s.udp(f)
		to := port(host, p)
		for range 2 {
			_, en = u.SendTo([]byte("x"), &to)
			s.say("unconnected", en)
		}
		time.Sleep(10 * time.Millisecond) // an error that must not come
		s.say("SO_ERROR", u.TakeError())
	}
}

func udpBroadcast(s *script) {
	for _, dst := range []string{"255.255.255.255", "10.0.2.255", "127.255.255.255"} {
		k := s.udp(Inet4)
		to := port(dst, 9)
		_, en := k.SendTo([]byte("x"), &to)
		s.say("without", en)
		s.say("set", k.SetBool(Broadcast, true))
		_, en = k.SendTo([]byte("x"), &to)
		s.say("with", en)
	}
	k := s.udp(Inet6)
	to := port("::ffff:255.255.255.255", 9)
	_, en := k.SendTo([]byte("x"), &to)
	s.say("mapped", en)
}

func udpShutdown(s *script) {
	k := s.udp(Inet4)
	s.say("unconnected", k.Shutdown(true, true))
	s.poll("unconnected", k, unix.POLLIN|unix.POLLRDHUP)
	k = s.udp(Inet4)
	s.connect(k, port("127.0.0.1", 9))
	s.say("connected", k.Shutdown(true, false))
	s.poll("half closed", k, unix.POLLIN|unix.POLLRDHUP)
	s.say("write", k.Shutdown(false, true))
	s.poll("closed", k, unix.POLLIN|unix.POLLRDHUP)
	_, en := k.SendTo([]byte("x"), nil)
	s.say("send", en)
}

func optionValues(s *script) {
	t, u := s.tcp(Inet4), s.udp(Inet4)
	get := func(name string, k sock, o IntOption) {
		v, en := k.GetInt(o)
		s.say(name, v, en)
	}
	set := func(name string, k sock, o IntOption, v int) {
		s.say(name, v, k.SetInt(o, v))
		get(name, k, o)
	}
	for _, o := range []IntOption{TTL, TOS, KeepIdle, KeepInterval, KeepCount, SynCount, UserTimeout, MTUDiscover, MulticastTTL} {
		get("default", t, o)
	}
	get("udp rcvbuf", u, ReceiveBuffer)
	get("udp sndbuf", u, SendBuffer)
	for _, v := range []int{0, -1, 1, 255, 256, 64} {
		set("ttl", u, TTL, v)
	}
	for _, v := range []int{0, 1, 32767, 32768} {
		set("keepidle", t, KeepIdle, v)
		set("keepintvl", t, KeepInterval, v)
	}
	for _, v := range []int{0, 1, 127, 128} {
		set("keepcnt", t, KeepCount, v)
		set("syncnt", t, SynCount, v)
	}
	for _, v := range []int{-1, 0, 5000} {
		set("user timeout", t, UserTimeout, v)
	}
	for _, v := range []int{0, 1, 2, 3, 4, 5, 6, -1} {
		set("mtu discover", u, MTUDiscover, v)
	}
	for _, v := range []int{8192, 100000} {
		set("sndbuf", u, SendBuffer, v)
		set("rcvbuf", u, ReceiveBuffer, v)
	}
	for _, v := range []int{-1, 0, 255, 256} {
		set("multicast ttl", u, MulticastTTL, v)
	}
	set("tos", u, TOS, 0x10)
	six := s.udp(Inet6)
	for _, v := range []int{-2, -1, 0, 255, 256} {
		set("hop limit", six, HopLimit, v)
	}
	s.say("keepidle on udp", u.SetInt(KeepIdle, 1))
	s.say("nodelay on udp", u.SetBool(NoDelay, true))
	s.say("hop limit on v4", u.SetInt(HopLimit, 1))
}
