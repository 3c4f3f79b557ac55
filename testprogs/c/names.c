// getsockname and getpeername through a socket's life; IPv6 and dual stack.
#include "test.h"

static void before_and_after_bind(const char *name)
{
	(void)name;
	int types[] = { SOCK_STREAM, SOCK_DGRAM };
	for (size_t i = 0; i < COUNT(types); i++) {
		int fd = OK(socket(AF_INET, types[i], 0));
		union address a = local_address(fd);
		EQ(a.any.sa_family, AF_INET);
		EQ(a.in.sin_addr.s_addr, 0);
		EQ(port_of(a), 0);
		a = loopback(AF_INET, 0);
		OK(bind(fd, &a.any, sizeof a.in));
		a = local_address(fd);
		EQ(a.in.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
		CHECK(port_of(a) >= 1024);
		socklen_t len = sizeof a;
		ERR(getpeername(fd, &a.any, &len), ENOTCONN);
	}
}

static void after_connect(const char *name)
{
	(void)name;
	int families[] = { AF_INET, AF_INET6 };
	for (size_t i = 0; i < COUNT(families); i++) {
		int l = listener(families[i], 4), c = connect_to(l), s = OK(accept(l, NULL, NULL));
		union address client = local_address(c), server = local_address(s);
		union address client_peer = peer_address(c), server_peer = peer_address(s);
		EQ(memcmp(&client, &server_peer, address_len(families[i])), 0);
		EQ(memcmp(&server, &client_peer, address_len(families[i])), 0);
		EQ(port_of(server), local_port(l));
	}
}

static void after_peer_is_gone(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET);
	union address server = local_address(p.server);
	OK(close(p.server));
	EQ(poll_one(p.client, POLLRDHUP, 5000), POLLRDHUP);
	EQ(port_of(peer_address(p.client)), port_of(server));
	EQ(shutdown(p.client, SHUT_WR), 0);
	EQ(poll_one(p.client, POLLHUP, 5000) & POLLHUP, POLLHUP);
	CHECK(local_port(p.client) != 0);
}

// The last acknowledgement may be on its way.
static void await_no_peer(int fd)
{
	union address a;
	socklen_t len = sizeof a;
	while (getpeername(fd, &a.any, &len) == 0)
		sleep_ms(5);
	EQ(errno, ENOTCONN);
}

static void peer_ended(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET);
	OK(shutdown(p.server, SHUT_WR));
	EQ(poll_one(p.client, POLLRDHUP, 5000), POLLRDHUP);
	OK(shutdown(p.client, SHUT_WR));
	EQ(poll_one(p.server, POLLHUP, 5000) & POLLHUP, POLLHUP);
	await_no_peer(p.client);
	await_no_peer(p.server);
}

// After a reset there is no peer, but there may be data of it.
static void peer_reset(const char *name)
{
	(void)name;
	union address a;
	socklen_t len = sizeof a;
	char c;
	struct pair p = tcp_pair(AF_INET);
	struct linger reset = { .l_onoff = 1 };
	OK(setsockopt(p.server, SOL_SOCKET, SO_LINGER, &reset, sizeof reset));
	write_all(p.server, "x", 1);
	OK(close(p.server));
	EQ(poll_one(p.client, POLLHUP, 5000) & POLLHUP, POLLHUP);
	ERR(getpeername(p.client, &a.any, &len), ENOTCONN);
	EQ(read(p.client, &c, 1), 1);
	ERR(read(p.client, &c, 1), ECONNRESET);
}

// Within the host a reset has come when the close that makes it returns: that of
// a socket with SO_LINGER and no time, or with unread data.
static void peer_reset_at_once(const char *name)
{
	(void)name;
	for (int i = 0; i < 100; i++) {
		union address a;
		socklen_t len = sizeof a;
		int family = i % 4 < 2 ? AF_INET : AF_INET6;
		struct pair p = tcp_pair(family);
		if (i % 2) {
			struct linger reset = { .l_onoff = 1 };
			OK(setsockopt(p.client, SOL_SOCKET, SO_LINGER, &reset, sizeof reset));
			write_all(p.client, "GET /", 5);
		} else {
			write_all(p.server, "x", 1);
			EQ(poll_one(p.client, POLLIN, 5000), POLLIN);
		}
		OK(getpeername(p.server, &a.any, &len));
		OK(close(p.client));
		ERR(getpeername(p.server, &a.any, &len), ENOTCONN);
		OK(close(p.server));
	}
}

// A connection that both ends have shut is an inet socket until it is closed,
// for this descriptor and every copy of it.
static void identity_stays(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET);
	int copy = OK(dup(p.client));
	char c;
	OK(shutdown(p.server, SHUT_WR));
	OK(shutdown(p.client, SHUT_WR));
	EQ(read(p.client, &c, 1), 0);
	EQ(poll_one(p.client, POLLHUP, 5000) & POLLHUP, POLLHUP);
	OK(close(p.client));
	EQ(get_int(copy, SOL_SOCKET, SO_DOMAIN), AF_INET);
	EQ(get_int(copy, SOL_SOCKET, SO_ERROR), 0);
	EQ(local_address(copy).any.sa_family, AF_INET);
	OK(set_int(copy, IPPROTO_TCP, TCP_NODELAY, 1));
	EQ(get_int(copy, IPPROTO_TCP, TCP_NODELAY), 1);
}

static void udp_connect_names(const char *name)
{
	(void)name;
	int server = bound(AF_INET, SOCK_DGRAM), c = OK(socket(AF_INET, SOCK_DGRAM, 0));
	OK(connect_fd(c, server));
	union address a = local_address(c);
	EQ(a.in.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	CHECK(port_of(a) != 0);
	EQ(port_of(peer_address(c)), local_port(server));
}

static void udp_send_binds(const char *name)
{
	(void)name;
	int server = bound(AF_INET, SOCK_DGRAM), c = OK(socket(AF_INET, SOCK_DGRAM, 0));
	union address to = local_address(server), from;
	socklen_t len = sizeof from;
	EQ(sendto(c, "x", 1, 0, &to.any, sizeof to.in), 1);
	union address a = local_address(c);
	EQ(a.in.sin_addr.s_addr, htonl(INADDR_ANY));
	CHECK(port_of(a) != 0);
	char byte;
	EQ(recvfrom(server, &byte, 1, 0, &from.any, &len), 1);
	EQ(port_of(from), port_of(a));
	EQ(from.in.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
}

static void short_buffers(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET);
	unsigned char a[32];
	socklen_t lens[] = { 0, 2, 8, 16, 32 };
	for (size_t i = 0; i < COUNT(lens); i++) {
		socklen_t len = lens[i];
		memset(a, 0xee, sizeof a);
		OK(getsockname(p.client, (struct sockaddr *)a, &len));
		EQ(len, 16);
		if (lens[i] < 16)
			EQ(a[lens[i]], 0xee);
		len = lens[i];
		OK(getpeername(p.client, (struct sockaddr *)a, &len));
		EQ(len, 16);
	}
	socklen_t negative = (socklen_t)-1;
	ERR(getsockname(p.client, (struct sockaddr *)a, &negative), EINVAL);
	ERR(getsockname(p.client, NULL, &lens[4]), EFAULT);
	ERR(getsockname(p.client, (struct sockaddr *)a, NULL), EFAULT);
}

static union address mapped(uint32_t host, uint16_t port)
{
	union address a = { .in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) } };
	uint32_t net = htonl(host);
	a.in6.sin6_addr.s6_addr[10] = a.in6.sin6_addr.s6_addr[11] = 0xff;
	memcpy(&a.in6.sin6_addr.s6_addr[12], &net, 4);
	return a;
}

static int dual_listener(void)
{
	int l = OK(socket(AF_INET6, SOCK_STREAM, 0));
	union address any = { .in6 = { .sin6_family = AF_INET6 } };
	OK(bind(l, &any.any, sizeof any.in6));
	OK(listen(l, 8));
	return l;
}

// An IPv4 client of a dual-stack listener appears as ::ffff:127.0.0.1.
static void dual_stack_accept(const char *name)
{
	(void)name;
	int l = dual_listener(), c = OK(socket(AF_INET, SOCK_STREAM, 0));
	union address to = loopback(AF_INET, local_port(l)), from;
	socklen_t len = sizeof from;
	OK(connect(c, &to.any, sizeof to.in));
	int s = OK(accept(l, &from.any, &len));
	EQ(len, sizeof from.in6);
	union address want = mapped(INADDR_LOOPBACK, local_port(c));
	EQ(memcmp(&from.in6.sin6_addr, &want.in6.sin6_addr, 16), 0);
	EQ(port_of(from), local_port(c));
	union address local = local_address(s);
	EQ(memcmp(&local.in6.sin6_addr, &want.in6.sin6_addr, 16), 0);
	ping_pong(c, s);
	c = OK(socket(AF_INET6, SOCK_STREAM, 0));
	to = loopback(AF_INET6, local_port(l));
	OK(connect(c, &to.any, sizeof to.in6));
	len = sizeof from;
	s = OK(accept(l, &from.any, &len));
	EQ(memcmp(&from.in6.sin6_addr, &in6addr_loopback, 16), 0);
	ping_pong(c, s);
}

static void mapped_connect(const char *name)
{
	(void)name;
	int l = listener(AF_INET, 4), c = OK(socket(AF_INET6, SOCK_STREAM, 0));
	union address to = mapped(INADDR_LOOPBACK, local_port(l));
	OK(connect(c, &to.any, sizeof to.in6));
	union address peer = peer_address(c), local = local_address(c);
	EQ(peer.any.sa_family, AF_INET6);
	EQ(memcmp(&peer.in6.sin6_addr, &to.in6.sin6_addr, 16), 0);
	EQ(memcmp(&local.in6.sin6_addr, &to.in6.sin6_addr, 16), 0);
	union address from;
	socklen_t len = sizeof from;
	int s = OK(accept(l, &from.any, &len));
	EQ(from.any.sa_family, AF_INET);
	ping_pong(c, s);
}

static void v6only_refuses_v4(const char *name)
{
	(void)name;
	int l = OK(socket(AF_INET6, SOCK_STREAM, 0));
	union address any = { .in6 = { .sin6_family = AF_INET6 } };
	OK(set_int(l, IPPROTO_IPV6, IPV6_V6ONLY, 1));
	OK(bind(l, &any.any, sizeof any.in6));
	OK(listen(l, 4));
	int c = OK(socket(AF_INET, SOCK_STREAM, 0));
	union address to = loopback(AF_INET, local_port(l));
	ERR(connect(c, &to.any, sizeof to.in), ECONNREFUSED);
	int six = OK(socket(AF_INET6, SOCK_STREAM, 0));
	OK(set_int(six, IPPROTO_IPV6, IPV6_V6ONLY, 1));
	to = mapped(INADDR_LOOPBACK, local_port(l));
	ERR(connect(six, &to.any, sizeof to.in6), ENETUNREACH);
}

static void mapped_udp(const char *name)
{
	(void)name;
	int six = OK(socket(AF_INET6, SOCK_DGRAM, 0)), four = bound(AF_INET, SOCK_DGRAM);
	union address any = { .in6 = { .sin6_family = AF_INET6 } }, from;
	socklen_t len = sizeof from;
	OK(bind(six, &any.any, sizeof any.in6));
	union address to = loopback(AF_INET, local_port(six));
	EQ(sendto(four, "a", 1, 0, &to.any, sizeof to.in), 1);
	char c;
	EQ(recvfrom(six, &c, 1, 0, &from.any, &len), 1);
	union address want = mapped(INADDR_LOOPBACK, local_port(four));
	EQ(len, sizeof from.in6);
	EQ(memcmp(&from, &want, sizeof want.in6), 0);
	EQ(sendto(six, "b", 1, 0, &from.any, len), 1);
	len = sizeof from;
	EQ(recvfrom(four, &c, 1, 0, &from.any, &len), 1);
	EQ(from.any.sa_family, AF_INET);
	EQ(port_of(from), local_port(six));
}

// Addresses of 127/8 other than 127.0.0.1 are this host too.
static void all_of_127(const char *name)
{
	(void)name;
	int l = OK(socket(AF_INET, SOCK_STREAM, 0));
	union address a = loopback(AF_INET, 0);
	a.in.sin_addr.s_addr = htonl(0x7f010203);
	OK(bind(l, &a.any, sizeof a.in));
	OK(listen(l, 2));
	int c = connect_to(l), s = OK(accept(l, NULL, NULL));
	EQ(peer_address(c).in.sin_addr.s_addr, htonl(0x7f010203));
	ping_pong(c, s);
}

static const struct test_case cases[] = {
	{ "before_and_after_bind", before_and_after_bind },
	{ "after_connect", after_connect },
	{ "after_peer_is_gone", after_peer_is_gone },
	{ "peer_ended", peer_ended },
	{ "peer_reset", peer_reset },
	{ "peer_reset_at_once", peer_reset_at_once },
	{ "identity_stays", identity_stays },
	{ "udp_connect", udp_connect_names },
	{ "udp_send_binds", udp_send_binds },
	{ "short_buffers", short_buffers },
	{ "dual_stack_accept", dual_stack_accept },
	{ "mapped_connect", mapped_connect },
	{ "v6only_refuses_v4", v6only_refuses_v4 },
	{ "mapped_udp", mapped_udp },
	{ "all_of_127", all_of_127 },
};

TEST_MAIN(cases)
