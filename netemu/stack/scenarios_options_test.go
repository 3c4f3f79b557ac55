package stack

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
