package stack

import (
	"time"

	"golang.org/x/sys/unix"
)

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

func udpDemux(s *script) {
	any4, one := s.udp(Inet4), s.udp(Inet4)
	s.say("bind", any4.Bind(port("127.0.0.1", 6001)))
	a, _ := any4.Local()
	s.say("bind", one.Bind(port("127.0.0.1", 6002)))
	b, _ := one.Local()
	to := port("127.0.0.1", b.Port())
	third := s.udp(Inet4)
	s.connect(one, port("127.0.0.1", a.Port()))
	n, en := third.SendTo([]byte("stranger"), &to)
	s.say("stranger", n, en)
	n, en = any4.SendTo([]byte("peer"), &to)
	s.say("peer", n, en)
	s.poll("connected", one, unix.POLLIN)
	n, en = one.Recv(20)
	s.say("recv", n, en)
	time.Sleep(settle)
	n, en = one.Recv(20)
	s.say("recv", n, en)
	s.say("disconnect", one.Disconnect())
	s.local(one)
	n, en = third.SendTo([]byte("stranger"), &to)
	s.say("stranger", n, en)
	s.poll("disconnected", one, unix.POLLIN)
	n, en = one.Recv(20)
	s.say("recv", n, en)
}

func udpMixed(s *script) {
	k := s.udp(Inet6)
	s.say("bind", k.Bind(port("::", 0)))
	a, _ := k.Local()
	c := s.udp(Inet4)
	to := port("127.0.0.1", a.Port())
	n, en := c.SendTo([]byte("four"), &to)
	s.say("v4", n, en)
	s.poll("dual", k, unix.POLLIN)
	n, en = k.Recv(9)
	s.say("recv", n, en)
	ca, _ := c.Local()
	back := port("::ffff:127.0.0.1", ca.Port())
	n, en = k.SendTo([]byte("back"), &back)
	s.say("mapped", n, en)
	s.poll("v4", c, unix.POLLIN)
	d := s.udp(Inet6)
	s.say("bind v6", d.Bind(port("::1", 0)))
	n, en = d.SendTo([]byte("x"), &back)
	s.say("mapped from a v6 address", n, en)
	e := s.udp(Inet6)
	s.say("bind mapped", e.Bind(port("::ffff:127.0.0.1", 0)))
	six := port("::1", a.Port())
	n, en = e.SendTo([]byte("x"), &six)
	s.say("v6 from a mapped address", n, en)
	s.say("connect v6 from a mapped address", e.Connect(six))
	s.say("connect mapped from a v6 address", d.Connect(back))
}
