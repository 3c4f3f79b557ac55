// What a call tells that is wrong in several ways, and what calls that failed leave
// behind: the calls fuzzer (test/fuzz) found each of these differing once.
#include "args.h"

static union address address6(const char *host, uint16_t port, uint32_t scope)
{
	union address a = { .in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_scope_id = scope } };
	EQ(inet_pton(AF_INET6, host, &a.in6.sin6_addr), 1);
	return a;
}

static int make(int family, int type) { return OK(socket(family, type | SOCK_NONBLOCK, 0)); }

// A UDP socket at 127.0.0.1, from where no route leads to other hosts.
static int at_lo(void)
{
	int fd = bound(AF_INET, SOCK_DGRAM);
	set_nonblock(fd);
	return fd;
}

static void plain(int fd) { (void)fd; }
static void shut(int fd) { ERR(shutdown(fd, SHUT_RDWR), ENOTCONN); }
static void broken(int fd)
{
	int closed = bound(AF_INET, SOCK_DGRAM);
	union address a = local_address(closed);
	int on = 1;
	OK(setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof on));
	OK(close(closed));
	EQ(sendto(fd, "x", 1, 0, &a.any, sizeof a.in), 1);
	CHECK(poll_one(fd, 0, 5000) & POLLERR);
}

// The route comes first, then the length, a pending error, a shutdown, the payload.
static void order_send(const char *name)
{
	(void)name;
	static char payload[70000];
	const struct { const char *name; void (*make)(int); } states[] = { { "plain", plain }, { "shut", shut }, { "broken", broken } };
	const struct { const char *name; void *at; size_t n; } rows[] = { { "good", payload, 3 }, { "bad", BAD_POINTER, 3 },
		{ "long", payload, 65508 }, { "longer", payload, 65536 }, { "long-bad", BAD_POINTER, 65508 } };
	const int flags[] = { 0, 0x10 /* MSG_PROBE */, MSG_MORE, MSG_OOB };
	int target = bound(AF_INET, SOCK_DGRAM);
	union address lo = local_address(target), away = lo;
	inet_pton(AF_INET, "192.0.2.99", &away.in.sin_addr);
	for (size_t s = 0; s < COUNT(states); s++)
		for (size_t r = 0; r < COUNT(rows); r++)
			for (size_t f = 0; f < COUNT(flags); f++) {
				int fd = at_lo();
				states[s].make(fd);
				TELL_VALUE(sendto(fd, rows[r].at, rows[r].n, flags[f], &lo.any, sizeof lo.in), "sendto %s %s %#x lo", states[s].name, rows[r].name, flags[f]);
				OK(close(fd));
				fd = at_lo();
				states[s].make(fd);
				TELL_VALUE(sendto(fd, rows[r].at, rows[r].n, flags[f], &away.any, sizeof away.in), "sendto %s %s %#x away", states[s].name, rows[r].name, flags[f]);
				OK(close(fd));
			}
}

// An IPv6 socket, and addresses of IPv4.
static void order_versions(const char *name)
{
	(void)name;
	union address four = loopback(AF_INET, 9), six = loopback(AF_INET6, 9), mapped = address6("::ffff:127.0.0.1", 9, 0);
	union address none4 = loopback(AF_INET, 0), other = { .any.sa_family = AF_UNIX }, unspec = { .any.sa_family = AF_UNSPEC };
	const struct { const char *name; union address *to; socklen_t len; } rows[] = { { "AF_INET", &four, sizeof four.in },
		{ "AF_INET6", &six, sizeof six.in6 }, { "AF_UNSPEC", &unspec, sizeof unspec.in6 }, { "AF_UNIX", &other, sizeof other.in6 } };
	int on = -1, fd;
	for (size_t i = 0; i < COUNT(rows); i++) {
		fd = make(AF_INET6, SOCK_DGRAM);
		OK(connect(fd, &mapped.any, sizeof mapped.in6));
		TELL_VALUE(sendto(fd, "x", 1, 0, &rows[i].to->any, rows[i].len), "connected to IPv4, sendto %s", rows[i].name);
		OK(close(fd));
	}
	fd = bound(AF_INET6, SOCK_DGRAM);
	socklen_t len = sizeof on;
	OK(getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, &len));
	printf("bound to IPv6: IPV6_V6ONLY %d\n", on);
	TELL_VALUE(sendto(fd, "x", 1, MSG_OOB, &none4.any, sizeof none4.in), "bound to IPv6, sendto AF_INET port 0");
	TELL(connect(fd, &mapped.any, sizeof mapped.in6), "bound to IPv6, connect mapped");
	OK(close(fd));
	for (int i = 0; i < 2; i++) {
		fd = make(AF_INET6, i ? SOCK_DGRAM : SOCK_STREAM);
		union address nowhere = address6("fe80::1", 0, 99);
		TELL(bind(fd, &nowhere.any, sizeof nowhere.in6), "bind to a link-local address of no interface");
		OK(close(fd));
	}
}

// A source address that is nobody's.
static void order_pktinfo(const char *name)
{
	(void)name;
	union { struct cmsghdr h; char room[CMSG_SPACE(sizeof(struct in6_pktinfo))]; } c = { 0 };
	struct in6_pktinfo info = { 0 };
	struct iovec v = { "x", 1 };
	union address to = loopback(AF_INET6, 9);
	const char *const sources[] = { "::1", "2001:db8::99", "ff02::1", "::ffff:127.0.0.1" };
	for (size_t i = 0; i < COUNT(sources); i++) {
		int fd = make(AF_INET6, SOCK_DGRAM);
		struct msghdr m = { .msg_name = &to, .msg_namelen = sizeof to.in6, .msg_iov = &v, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof c };
		inet_pton(AF_INET6, sources[i], &info.ipi6_addr);
		c.h = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof info), .cmsg_level = IPPROTO_IPV6, .cmsg_type = IPV6_PKTINFO };
		memcpy(CMSG_DATA(&c.h), &info, sizeof info);
		TELL_VALUE(sendmsg(fd, &m, 0), "sendmsg from %s", sources[i]);
		OK(close(fd));
	}
}

// A UDP socket keeps a port, a peer at port 0, and life after shutdown(SHUT_RD).
static void order_udp(const char *name)
{
	(void)name;
	union address zero = loopback(AF_INET, 0), wrong = { .any.sa_family = 46 }, any = loopback(AF_INET, 0), peer;
	socklen_t len = sizeof peer;
	int fd = make(AF_INET, SOCK_DGRAM);
	OK(connect(fd, &zero.any, sizeof zero.in));
	TELL(getpeername(fd, &peer.any, &len), "getpeername at port 0");
	TELL_VALUE(sendto(fd, BAD_POINTER, 1, MSG_MORE, NULL, 0), "sendto bad at port 0");
	TELL_VALUE(sendto(fd, "x", 1, MSG_MORE, NULL, 0), "sendto at port 0, more");
	TELL(shutdown(fd, SHUT_WR), "shutdown at port 0");
	OK(close(fd));
	fd = make(AF_INET, SOCK_DGRAM);
	TELL(connect(fd, &wrong.any, sizeof wrong), "connect to family 46");
	TELL(bind(fd, &any.any, sizeof any.in), "bind after it");
	OK(close(fd));
	int a = bound(AF_INET, SOCK_DGRAM), b = bound(AF_INET, SOCK_DGRAM);
	OK(connect_fd(a, b));
	OK(shutdown(a, SHUT_RD));
	union address at = local_address(a);
	for (int i = 0; i < 2; i++) {
		EQ(sendto(b, "x", 1, 0, &at.any, sizeof at.in), 1);
		sleep_ms(50);
	}
	len = sizeof peer;
	TELL(getpeername(a, &peer.any, &len), "getpeername after shutdown and data");
	TELL_VALUE(sendto(a, "x", 1, MSG_MORE, NULL, 0), "sendto after shutdown and data");
}

static const struct timespec long_time = { 100, 0 };

static void tell_many(int fd, const char *what, unsigned count, void *second)
{
	char room[8];
	struct iovec good = { room, sizeof room }, bad = { second, sizeof room };
	union address from;
	struct mmsghdr m[2] = { { .msg_hdr = { .msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &good, .msg_iovlen = 1 } },
		{ .msg_hdr = { .msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &bad, .msg_iovlen = 1 } } };
	struct timespec left = long_time;
	TELL_VALUE(syscall(SYS_recvmmsg, fd, m, count, MSG_DONTWAIT, &left), "recvmmsg %s x%u", what, count);
	printf("the time is %s\n", left.tv_sec == long_time.tv_sec ? "as it was" : "less");
}

// recvmmsg(2): the error that ended it, the pending one, the time that is left.
static void order_recvmmsg(const char *name)
{
	(void)name;
	int a = bound(AF_INET, SOCK_DGRAM), b = bound(AF_INET, SOCK_DGRAM);
	char c;
	OK(connect_fd(b, a));
	OK(connect_fd(a, b));
	for (int i = 0; i < 2; i++)
		EQ(send(b, "x", 1, 0), 1);
	sleep_ms(50);
	tell_many(a, "udp", 2, BAD_POINTER);
	tell_many(a, "udp after an error", 0, &c);
	tell_many(a, "udp after that", 0, &c);
	struct pair p = tcp_pair(AF_INET);
	EQ(send(p.server, "12345678x", 9, 0), 9);
	sleep_ms(50);
	tell_many(p.client, "tcp", 2, BAD_POINTER);
	tell_many(p.client, "tcp after an error", 2, &c);
	union address closed = loopback(AF_INET, 1);
	int fd = make(AF_INET, SOCK_STREAM);
	ERR(connect(fd, &closed.any, sizeof closed.in), EINPROGRESS);
	CHECK(poll_one(fd, POLLOUT, 5000) & POLLERR);
	tell_many(fd, "tcp refused", 0, &c);
	tell_many(fd, "tcp refused, again", 0, &c);
}

static void tell_name(int fd, uint16_t port)
{
	union address a = local_address(fd);
	printf("at %s:%s\n", inet_ntoa(a.in.sin_addr), port_of(a) == port ? "the same port" : port_of(a) ? "another" : "0");
}

// TCP sockets that are as good as new.
static void order_renewed(const char *name)
{
	(void)name;
	union address any = loopback(AF_INET, 0), multicast = any, closed = loopback(AF_INET, 1), unspec = { .any.sa_family = AF_UNSPEC };
	char room[4];
	struct iovec v = { room, sizeof room };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
	inet_pton(AF_INET, "192.0.2.99", &multicast.in.sin_addr);
	for (int i = 0; i < 4; i++) {
		int l = listener(AF_INET, 4), other = listener(AF_INET, 4);
		uint16_t port = local_port(l);
		set_nonblock(l);
		OK(shutdown(l, SHUT_RD));
		TELL(accept(l, NULL, NULL), "accept after shutdown");
		TELL(shutdown(l, SHUT_RD), "shutdown again");
		tell_name(l, port);
		switch (i) {
		case 0: TELL(bind(l, &any.any, sizeof any.in), "bind after shutdown"); break;
		case 1: TELL(listen(l, 4), "listen after shutdown"); break;
		case 2: TELL(connect_fd(l, other), "connect after shutdown"); break;
		case 3: TELL(bind(l, &multicast.any, sizeof multicast.in), "bind to a foreign address"); break;
		}
		close(l);
		close(other);
	}
	int fd = make(AF_INET, SOCK_STREAM);
	ERR(connect(fd, &closed.any, sizeof closed.in), EINPROGRESS);
	CHECK(poll_one(fd, POLLOUT, 5000) & POLLERR);
	TELL(bind(fd, &any.any, sizeof any.in), "bind after a refusal");
	TELL(connect(fd, &closed.any, sizeof closed.in), "connect after that");
	OK(close(fd));
	struct pair p = tcp_pair(AF_INET);
	uint16_t port = local_port(p.client);
	set_nonblock(p.client);
	OK(connect(p.client, &unspec.any, sizeof unspec));
	tell_name(p.client, port);
	TELL_VALUE(recvmsg(p.client, &m, 0), "recvmsg after connect to AF_UNSPEC");
	TELL_VALUE(recvmsg(p.client, &m, 0), "recvmsg again");
	fd = make(AF_INET, SOCK_STREAM);
	TELL(shutdown(fd, SHUT_RD), "shutdown of a fresh socket");
	TELL_VALUE(recvmsg(fd, &m, 0), "recvmsg after it");
}

// What is told comes off the socket, and a shut one looks at no control message.
static void order_told(const char *name)
{
	(void)name;
	signal(SIGPIPE, SIG_IGN);
	union address closed = loopback(AF_INET, 1);
	char room[4], control[CMSG_SPACE(4)] = { 0 };
	struct iovec v = { room, sizeof room };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
	int fd = make(AF_INET, SOCK_STREAM);
	ERR(connect(fd, &closed.any, sizeof closed.in), EINPROGRESS);
	CHECK(poll_one(fd, POLLOUT, 5000) & POLLERR);
	TELL_VALUE(sendmsg(fd, &m, 0), "sendmsg after a refusal");
	TELL_VALUE(recvmsg(fd, &m, 0), "recvmsg after that");
	OK(close(fd));
	fd = make(AF_INET, SOCK_DGRAM);
	int other = bound(AF_INET, SOCK_DGRAM);
	OK(connect_fd(fd, other));
	OK(close(other));
	EQ(send(fd, "x", 1, 0), 1);
	CHECK(poll_one(fd, 0, 5000) & POLLERR);
	TELL_VALUE(sendmsg(fd, &m, 0), "udp: sendmsg after a refusal");
	OK(close(fd));
	struct pair p = tcp_pair(AF_INET);
	*(struct cmsghdr *)control = (struct cmsghdr){ .cmsg_len = CMSG_LEN(4), .cmsg_level = SOL_SOCKET, .cmsg_type = 999 };
	m.msg_control = control;
	m.msg_controllen = sizeof control;
	TELL_VALUE(sendmsg(p.client, &m, 0), "sendmsg with a wrong control message");
	OK(shutdown(p.client, SHUT_WR));
	TELL_VALUE(sendmsg(p.client, &m, 0), "sendmsg with one after shutdown");
	union address path = { .any.sa_family = AF_UNIX };
	strcpy(path.any.sa_data, "/run/x");
	TELL(connect(make_file(), &path.any, 16), "connect a file to AF_UNIX");
	TELL(connect(NEVER_OPEN, &path.any, 16), "connect what is not open to AF_UNIX");
}

static const struct test_case cases[] = {
	{ "send", order_send },
	{ "versions", order_versions },
	{ "pktinfo", order_pktinfo },
	{ "udp", order_udp },
	{ "recvmmsg", order_recvmmsg },
	{ "renewed", order_renewed },
	{ "told", order_told },
};

TEST_MAIN(cases)
