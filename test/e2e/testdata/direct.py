# direct.py serve ADDRESS PORT: echoes TCP and UDP on PORT; what begins with "other"
#   is answered from another port.
# direct.py client ADDRESS PORT OWN OWN6 DROPPED: what a client of that sees, a line a
#   case. OWN and OWN6 are the client's own addresses.
# direct.py refused HOST PORT: what no policy lets out. HOST is the host's loopback.
# direct.py hostile ADDRESS PORT FORBIDDEN: tries to get at FORBIDDEN:PORT.
import ctypes, errno, os, select, signal, socket, struct, sys, threading, time

mode, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
family = socket.AF_INET6 if ":" in address else socket.AF_INET
at = (address, port)
libc = ctypes.CDLL(None, use_errno=True)


def say(name, *values):
	print(name, *values, flush=True)


def case(f):
	def named(e):
		return "timeout" if isinstance(e, TimeoutError) else errno.errorcode.get(e.errno, str(e))
	try:
		say(f.__name__, *f())
	except OSError as e:
		say(f.__name__, named(e))


def serve():
	def udp():
		s, other = (socket.socket(family, socket.SOCK_DGRAM) for i in range(2))
		s.bind(at)
		other.bind((address, 0))
		while True:
			d, a = s.recvfrom(65536)
			if d.startswith(b"other"):
				other.sendto(d, a)
				continue
			s.sendto(d, a)
	def echo(c):
		while d := c.recv(65536):
			c.sendall(d)
		c.close()
	threading.Thread(target=udp, daemon=True).start()
	s = socket.socket(family)
	s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
	s.bind(at)
	s.listen(64)
	say("ready")
	while True:
		threading.Thread(target=echo, args=(s.accept()[0],), daemon=True).start()


def tcp():
	return socket.socket(family)


def udp():
	s = socket.socket(family, socket.SOCK_DGRAM)
	s.settimeout(5)
	return s


def spoken(s):
	s.sendall(b"hello")
	return s.recv(9)


def own(s):
	host, number = s.getsockname()[:2]
	return "own" if host in sys.argv[4:6] else host, number != 0


def peer(s):
	host, number = s.getpeername()[:2]
	return host == address, number == port


def blocking():
	s = tcp()
	s.connect(at)
	return spoken(s), *own(s), *peer(s), s.connect_ex(at) == errno.EISCONN


def nonblocking():
	s = tcp()
	s.setblocking(False)
	first = s.connect_ex(at)
	select.select([], [s], [], 5)
	second = s.connect_ex(at)
	third = s.connect_ex(at)
	s.setblocking(True)
	return errno.errorcode[first], second, errno.errorcode[third], spoken(s)


def refused():
	s = tcp()
	first = s.connect_ex((address, 9))
	return errno.errorcode[first], s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), s.connect_ex(at), spoken(s)


def refused_nonblocking():
	s = tcp()
	s.setblocking(False)
	s.connect_ex((address, 9))
	p = select.poll()
	p.register(s, select.POLLIN | select.POLLOUT)
	time.sleep(0.1)
	events = p.poll(5000)[0][1]
	return events, *(s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) for i in range(2))


def in_epoll_before():
	s, e = tcp(), select.epoll()
	e.register(s, select.EPOLLIN | select.EPOLLOUT | select.EPOLLET | select.EPOLLRDHUP)
	e.poll(0)
	s.setblocking(False)
	s.connect_ex(at)
	seen = 0
	while not seen & select.EPOLLOUT:
		seen |= e.poll(5)[0][1]
	s.send(b"x")
	seen = 0
	while not seen & select.EPOLLIN:
		seen |= e.poll(5)[0][1]
	return s.recv(9), seen


def in_copies_before():
	s = tcp()
	copy = s.dup()
	if not os.fork():
		s.connect(at)
		os._exit(0)
	os.wait()
	return *peer(copy), spoken(copy), *peer(s)


def unspecified():
	s = tcp()
	s.connect(at)
	gone = libc.connect(s.fileno(), bytes(16), 16)
	return gone, s.connect_ex(at), spoken(s)


def interrupted():
	# The first time by a signal, the second by the time limit.
	signal.signal(signal.SIGUSR1, lambda *a: None)
	raw = socket.inet_pton(family, sys.argv[6])
	raw = struct.pack("=H", family) + struct.pack("!H", port) + (raw + bytes(8) if family == socket.AF_INET else bytes(4) + raw + bytes(4))
	with tcp() as s:
		me = threading.get_native_id()
		threading.Timer(0.3, lambda: libc.tgkill(os.getpid(), me, signal.SIGUSR1)).start()
		first = libc.connect(s.fileno(), raw, len(raw)), errno.errorcode[ctypes.get_errno()]
		s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("qq", 0, 300000))
		second = libc.connect(s.fileno(), raw, len(raw)), errno.errorcode[ctypes.get_errno()]
	with tcp() as s:
		s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("qq", 0, 300000))
		return first, second, libc.connect(s.fileno(), raw, len(raw)), errno.errorcode[ctypes.get_errno()]


def options():
	s = tcp()
	s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
	s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
	s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 5))
	s.connect(at)
	return s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1), s.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY), s.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)


def udp_connected():
	s = udp()
	s.connect(at)
	s.send(b"hello")
	return s.recv(9), *own(s), *peer(s)


def udp_to():
	s = udp()
	s.sendto(b"hello", at)
	data, source = s.recvfrom(9)
	return data, source[:2] == at, s.getsockname()[0]


def udp_messages():
	s = udp()
	sent = s.sendmsg([b"a", b"bc"], [(socket.IPPROTO_IP, socket.IP_TTL, struct.pack("i", 9))] if family == socket.AF_INET else [], 0, at)
	data, control, flags, source = s.recvmsg(2, 100)
	return sent, data, control, flags, source[:2] == at


def udp_refused():
	s = udp()
	s.connect((address, 9))
	s.send(b"x")
	time.sleep(0.1)
	return errno.errorcode[s.connect_ex(at) or s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)],


def udp_disconnected():
	s = udp()
	s.connect(at)
	gone = libc.connect(s.fileno(), bytes(16), 16)
	s.sendto(b"again", at)
	return gone, s.recv(9)


def udp_time_limit():
	s = socket.socket(family, socket.SOCK_DGRAM)
	s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("qq", 0, 100000))
	s.sendto(b"x", (sys.argv[6], port))
	return s.recvfrom(9)


def in_box():
	l, c = socket.socket(), socket.socket()
	c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 100000)
	l.bind(("127.0.0.1", 0))
	l.listen()
	c.set_inheritable(True)
	c.connect(l.getsockname())
	a, who = l.accept()
	a.sendall(b"within")
	return c.recv(9), who == c.getsockname(), c.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF), c.get_inheritable(), l.get_inheritable()


def in_box_udp():
	s, c = udp(), udp()
	s.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
	c.sendto(b"q", at) # direct so far
	c.recv(9)
	c.sendto(b"within", s.getsockname())
	data, who = s.recvfrom(9)
	s.sendto(b"back", who)
	return data, c.recv(9)


def not_connected():
	s = tcp()
	results = []
	for f in s.getpeername, lambda: s.recv(1), lambda: s.shutdown(socket.SHUT_RD), s.accept:
		try:
			f()
		except OSError as e:
			results.append(errno.errorcode[e.errno])
	return results


clients = [
	blocking, nonblocking, refused, refused_nonblocking, in_epoll_before, in_copies_before, unspecified, interrupted, options,
	udp_connected, udp_to, udp_messages, udp_refused, udp_disconnected, udp_time_limit, in_box, in_box_udp, not_connected,
]


def policy():
	def attempt(name, f):
		def run():
			return f() or ("ok",)
		run.__name__ = name
		case(run)
	for to in address, "127.0.0.1", "169.254.169.254", "10.0.2.77", "0.0.0.0", "224.0.0.1", "255.255.255.255":
		attempt("tcp " + to, lambda: socket.socket().connect((to, port)))
		def datagram():
			s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
			s.settimeout(1)
			s.connect((to, port))
			s.send(b"x")
			return s.recvmsg(9)[0],
		attempt("udp " + to, datagram)
	six = lambda to: socket.socket(socket.AF_INET6).connect((to, port))
	for to in "::ffff:127.0.0.1", "::1", "fe80::1", "::127.0.0.1", "fd00:2::2":
		attempt("tcp " + to, lambda: six(to))
	def listens():
		s = socket.socket()
		s.bind(("0.0.0.0", port + 1))
		s.listen()
		say("listens")
		time.sleep(3)
	attempt("listen", listens)


def sockaddr(host):
	return struct.pack("=H", socket.AF_INET) + struct.pack("!H", port) + socket.inet_aton(host) + bytes(8)


def hostile():
	# Another thread changes the address while the call is under way.
	good, bad = sockaddr(address), sockaddr(sys.argv[4])
	memory = ctypes.create_string_buffer(good, 16)
	over = []
	def change():
		while not over:
			ctypes.memmove(memory, good, 16)
			ctypes.memmove(memory, bad, 16)
	thread = threading.Thread(target=change, daemon=True)
	thread.start()
	reached = set()
	for i in range(40):
		with socket.socket() as s:
			if libc.connect(s.fileno(), memory, 16) == 0:
				reached.add(s.getpeername()[0])
		with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
			libc.sendto(s.fileno(), b"bad", 3, 0, memory, 16)
			iov = (ctypes.c_uint64 * 2)(ctypes.addressof(payload := ctypes.create_string_buffer(b"bad")), 3)
			header = struct.pack("QIIQQQQQ", ctypes.addressof(memory), 16, 0, ctypes.addressof(iov), 1, 0, 0, 0)
			libc.sendmsg(s.fileno(), header, 0)
	over.append(1)
	thread.join()
	say("reached", *sorted(reached))
	with socket.socket() as s:
		say("fast open", libc.sendto(s.fileno(), b"bad", 3, 0x20000000, bad, 16), errno.errorcode[ctypes.get_errno()])
	with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
		s.settimeout(0.3)
		s.sendto(b"other", (address, port))
		try:
			say("unsolicited", s.recv(9))
		except OSError as e:
			say("unsolicited", "none")
		info = struct.pack("=I4s4s", 0, socket.inet_aton(sys.argv[4]), bytes(4))
		try:
			s.sendmsg([b"info"], [(socket.IPPROTO_IP, 8, info)], 0, (address, port))
			say("pktinfo sent")
		except OSError as e:
			say("pktinfo", errno.errorcode[e.errno])
	# And one that puts other sockets under the number.
	unix, n = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM), os.dup(0)
	over = []
	def exchange():
		while not over:
			with socket.socket() as s, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as u:
				for i in range(9):
					for file in unix, u, s:
						libc.dup2(file.fileno(), n)
	thread = threading.Thread(target=exchange, daemon=True)
	thread.start()
	local = struct.pack("=H", socket.AF_UNIX) + b"\0nobody" + bytes(7)
	for i in range(45):
		ctypes.memmove(memory, (bad, local, good)[i % 3], 16)
		libc.connect(n, memory, 16)
		ctypes.memmove(memory, bad, 16)
		libc.connect(n, memory, 16)
		libc.sendto(n, b"bad", 3, 0, memory, 16)
		libc.sendmsg(n, header, 0)
		libc.send(n, b"bad", 3, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
		libc.setsockopt(n, socket.SOL_SOCKET, socket.SO_BROADCAST, struct.pack("i", 1), 4)
	over.append(1)
	thread.join()
	say("exchanged")
	def option(name, level, number, value):
		with socket.socket() as s:
			try:
				s.setsockopt(level, number, value)
				say(name, "set")
			except OSError as e:
				say(name, errno.errorcode[e.errno])
	option("IP_TRANSPARENT", socket.IPPROTO_IP, 19, 1)
	option("TCP_REPAIR", socket.IPPROTO_TCP, 19, 1)


sys.setswitchinterval(0.0005)
signal.alarm(60)
if mode == "serve":
	signal.alarm(0)
	serve()
elif mode == "client":
	for f in clients:
		case(f)
elif mode == "refused":
	policy()
else:
	hostile()
