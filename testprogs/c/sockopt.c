// Socket options that programs rely on: their values, bounds and effects.
#include "test.h"

static void identity(const char *name)
{
	(void)name;
	const struct { int family, type, protocol, want; } rows[] = {
		{ AF_INET, SOCK_STREAM, 0, IPPROTO_TCP }, { AF_INET, SOCK_STREAM, IPPROTO_TCP, IPPROTO_TCP },
		{ AF_INET, SOCK_DGRAM, 0, IPPROTO_UDP }, { AF_INET6, SOCK_STREAM, 0, IPPROTO_TCP },
		{ AF_INET6, SOCK_DGRAM, IPPROTO_UDP, IPPROTO_UDP },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		int fd = OK(socket(rows[i].family, rows[i].type | SOCK_CLOEXEC, rows[i].protocol));
		EQ(get_int(fd, SOL_SOCKET, SO_DOMAIN), rows[i].family);
		EQ(get_int(fd, SOL_SOCKET, SO_TYPE), rows[i].type);
		EQ(get_int(fd, SOL_SOCKET, SO_PROTOCOL), rows[i].want);
		EQ(get_int(fd, SOL_SOCKET, SO_ACCEPTCONN), 0);
		EQ(get_int(fd, SOL_SOCKET, SO_ERROR), 0);
	}
	EQ(get_int(listener(AF_INET6, 1), SOL_SOCKET, SO_ACCEPTCONN), 1);
}

// A set and a get of each option that is a switch.
static void switches(const char *name)
{
	(void)name;
	const struct { int level, option; } rows[] = {
		{ SOL_SOCKET, SO_REUSEADDR }, { SOL_SOCKET, SO_REUSEPORT }, { SOL_SOCKET, SO_KEEPALIVE },
		{ SOL_SOCKET, SO_BROADCAST }, { SOL_SOCKET, SO_OOBINLINE }, { SOL_SOCKET, SO_DONTROUTE },
		{ IPPROTO_TCP, TCP_NODELAY }, { IPPROTO_TCP, TCP_CORK },
	};
	int fd = OK(socket(AF_INET, SOCK_STREAM, 0));
	for (size_t i = 0; i < COUNT(rows); i++) {
		EQ(get_int(fd, rows[i].level, rows[i].option), 0);
		OK(set_int(fd, rows[i].level, rows[i].option, 5));
		EQ(get_int(fd, rows[i].level, rows[i].option), 1);
		OK(set_int(fd, rows[i].level, rows[i].option, 0));
		EQ(get_int(fd, rows[i].level, rows[i].option), 0);
	}
}

static void keepalive_times(const char *name)
{
	(void)name;
	int fd = OK(socket(AF_INET, SOCK_STREAM, 0));
	EQ(get_int(fd, IPPROTO_TCP, TCP_KEEPIDLE), 7200);
	EQ(get_int(fd, IPPROTO_TCP, TCP_KEEPINTVL), 75);
	EQ(get_int(fd, IPPROTO_TCP, TCP_KEEPCNT), 9);
	OK(set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, 30));
	OK(set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, 10));
	OK(set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, 4));
	EQ(get_int(fd, IPPROTO_TCP, TCP_KEEPIDLE), 30);
	EQ(get_int(fd, IPPROTO_TCP, TCP_KEEPINTVL), 10);
	EQ(get_int(fd, IPPROTO_TCP, TCP_KEEPCNT), 4);
	ERR(set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, 0), EINVAL);
	ERR(set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, 40000), EINVAL);
	ERR(set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, 200), EINVAL);
}

static void tcp_info_state(const char *name)
{
	(void)name;
	struct tcp_info info;
	socklen_t len = sizeof info;
	int l = listener(AF_INET, 4);
	OK(getsockopt(l, IPPROTO_TCP, TCP_INFO, &info, &len));
	EQ(info.tcpi_state, TCP_LISTEN);
	int fd = connect_to(l), s = OK(accept(l, NULL, NULL));
	len = sizeof info;
	OK(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len));
	EQ(info.tcpi_state, TCP_ESTABLISHED);
	CHECK(len >= 104 && len <= sizeof info);
	CHECK(info.tcpi_snd_mss > 500 && info.tcpi_rcv_mss > 500);
	OK(shutdown(fd, SHUT_WR));
	EQ(poll_one(s, POLLRDHUP, 5000), POLLRDHUP);
	len = sizeof info;
	OK(getsockopt(s, IPPROTO_TCP, TCP_INFO, &info, &len));
	EQ(info.tcpi_state, TCP_CLOSE_WAIT);
	len = 1;
	OK(getsockopt(s, IPPROTO_TCP, TCP_INFO, &info, &len));
	EQ(len, 1);
}

// The kernel doubles what is asked for, within its bounds (socket(7)).
static void buffer_sizes(const char *name)
{
	(void)name;
	int fd = OK(socket(AF_INET, SOCK_STREAM, 0)), u = OK(socket(AF_INET, SOCK_DGRAM, 0));
	int fds[] = { fd, u };
	for (size_t i = 0; i < COUNT(fds); i++) {
		OK(set_int(fds[i], SOL_SOCKET, SO_SNDBUF, 20000));
		EQ(get_int(fds[i], SOL_SOCKET, SO_SNDBUF), 40000);
		OK(set_int(fds[i], SOL_SOCKET, SO_RCVBUF, 30000));
		EQ(get_int(fds[i], SOL_SOCKET, SO_RCVBUF), 60000);
		OK(set_int(fds[i], SOL_SOCKET, SO_SNDBUF, 1));
		EQ(get_int(fds[i], SOL_SOCKET, SO_SNDBUF), 4608);
		OK(set_int(fds[i], SOL_SOCKET, SO_RCVBUF, 1));
		EQ(get_int(fds[i], SOL_SOCKET, SO_RCVBUF), 2304);
		OK(set_int(fds[i], SOL_SOCKET, SO_SNDBUF, 1 << 30));
		CHECK(get_int(fds[i], SOL_SOCKET, SO_SNDBUF) >= 200000);
	}
}

static void buffers_work_when_small(const char *name)
{
	(void)name;
	static char out[20000], in[20000];
	struct pair p = tcp_pair(AF_INET);
	OK(set_int(p.client, SOL_SOCKET, SO_SNDBUF, 1));
	OK(set_int(p.server, SOL_SOCKET, SO_RCVBUF, 1));
	for (size_t i = 0; i < sizeof out; i++)
		out[i] = (char)(i >> 4);
	pid_t pid = test_fork();
	if (pid == 0) {
		write_all(p.client, out, sizeof out);
		_exit(0);
	}
	read_all(p.server, in, sizeof in);
	EQ(memcmp(in, out, sizeof in), 0);
	wait_ok(pid);
}

static void linger_value(const char *name)
{
	(void)name;
	int fd = OK(socket(AF_INET, SOCK_STREAM, 0));
	struct linger l = { 9, 9 };
	socklen_t len = sizeof l;
	OK(getsockopt(fd, SOL_SOCKET, SO_LINGER, &l, &len));
	EQ(len, sizeof l);
	EQ(l.l_onoff, 0);
	l = (struct linger){ 7, 12 };
	OK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof l));
	OK(getsockopt(fd, SOL_SOCKET, SO_LINGER, &l, &len));
	EQ(l.l_onoff, 1);
	EQ(l.l_linger, 12);
	ERR(setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, 4), EINVAL);
}

static void timeouts(const char *name)
{
	(void)name;
	int fd = OK(socket(AF_INET, SOCK_STREAM, 0));
	struct timeval t = { 5, 5 };
	socklen_t len = sizeof t;
	OK(getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, &len));
	EQ(t.tv_sec, 0);
	EQ(t.tv_usec, 0);
	OK(set_timeout(fd, SO_RCVTIMEO, 7000));
	OK(set_timeout(fd, SO_SNDTIMEO, 8000));
	OK(getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, &len));
	EQ(t.tv_sec, 7);
	OK(getsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, &len));
	EQ(t.tv_sec, 8);
	t = (struct timeval){ 0, 1000000 };
	ERR(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t), EDOM);
	ERR(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, 4), EINVAL);
}

static void user_timeout(const char *name)
{
	(void)name;
	int fd = OK(socket(AF_INET, SOCK_STREAM, 0));
	EQ(get_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 0);
	OK(set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 12345));
	EQ(get_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 12345);
	ERR(set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, -1), EINVAL);
}

// Corked bytes stay back until the cork is drawn.
static void cork(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET);
	OK(set_int(p.client, IPPROTO_TCP, TCP_CORK, 1));
	write_all(p.client, "head", 4);
	write_all(p.client, "body", 4);
	OK(set_int(p.client, IPPROTO_TCP, TCP_CORK, 0));
	char text[8];
	read_all(p.server, text, 8);
	EQ(memcmp(text, "headbody", 8), 0);
}

static void ip_options(const char *name)
{
	(void)name;
	int fd = OK(socket(AF_INET, SOCK_DGRAM, 0)), six = OK(socket(AF_INET6, SOCK_DGRAM, 0));
	EQ(get_int(fd, IPPROTO_IP, IP_TTL), 64);
	OK(set_int(fd, IPPROTO_IP, IP_TTL, 5));
	EQ(get_int(fd, IPPROTO_IP, IP_TTL), 5);
	ERR(set_int(fd, IPPROTO_IP, IP_TTL, 256), EINVAL);
	ERR(set_int(fd, IPPROTO_IP, IP_TTL, 0), EINVAL);
	OK(set_int(fd, IPPROTO_IP, IP_TTL, -1));
	EQ(get_int(fd, IPPROTO_IP, IP_TTL), 64);
	OK(set_int(fd, IPPROTO_IP, IP_TOS, 0x10));
	EQ(get_int(fd, IPPROTO_IP, IP_TOS), 0x10);
	EQ(get_int(six, IPPROTO_IPV6, IPV6_UNICAST_HOPS), 64);
	OK(set_int(six, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 9));
	EQ(get_int(six, IPPROTO_IPV6, IPV6_UNICAST_HOPS), 9);
	OK(set_int(six, IPPROTO_IPV6, IPV6_TCLASS, 0x20));
	EQ(get_int(six, IPPROTO_IPV6, IPV6_TCLASS), 0x20);
	unsigned char byte = 3;
	OK(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_TTL, &byte, 1));
	EQ(get_int(fd, IPPROTO_IP, IP_MULTICAST_TTL), 3);
}

static void v6only(const char *name)
{
	(void)name;
	int fd = OK(socket(AF_INET6, SOCK_STREAM, 0));
	EQ(get_int(fd, IPPROTO_IPV6, IPV6_V6ONLY), 0);
	OK(set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1));
	EQ(get_int(fd, IPPROTO_IPV6, IPV6_V6ONLY), 1);
	union address a = loopback(AF_INET6, 0);
	OK(bind(fd, &a.any, sizeof a.in6));
	ERR(set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0), EINVAL);
}

static void congestion(const char *name)
{
	(void)name;
	int fd = OK(socket(AF_INET, SOCK_STREAM, 0));
	char text[16] = { 0 };
	socklen_t len = sizeof text;
	OK(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, text, &len));
	EQ(len, 16);
	CHECK(text[0] != 0);
	OK(setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4));
	OK(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, text, &len));
	EQ(strcmp(text, "reno"), 0);
	ERR(setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "nonesuch", 8), ENOENT);
}

static void unknown(const char *name)
{
	(void)name;
	int fd = OK(socket(AF_INET, SOCK_STREAM, 0)), value = 1;
	socklen_t len = sizeof value;
	ERR(set_int(fd, SOL_SOCKET, 9999, 1), ENOPROTOOPT);
	ERR(set_int(fd, IPPROTO_TCP, 9999, 1), ENOPROTOOPT);
	ERR(set_int(fd, IPPROTO_IP, 9999, 1), ENOPROTOOPT);
	ERR(getsockopt(fd, SOL_SOCKET, 9999, &value, &len), ENOPROTOOPT);
	ERR(getsockopt(fd, IPPROTO_TCP, 9999, &value, &len), ENOPROTOOPT);
	ERR(getsockopt(fd, 9999, 1, &value, &len), EOPNOTSUPP);
}

static const struct test_case cases[] = {
	{ "identity", identity },
	{ "switches", switches },
	{ "keepalive_times", keepalive_times },
	{ "tcp_info_state", tcp_info_state },
	{ "buffer_sizes", buffer_sizes },
	{ "buffers_work_when_small", buffers_work_when_small },
	{ "linger_value", linger_value },
	{ "timeouts", timeouts },
	{ "user_timeout", user_timeout },
	{ "cork", cork },
	{ "ip_options", ip_options },
	{ "v6only", v6only },
	{ "congestion", congestion },
	{ "unknown", unknown },
};

TEST_MAIN(cases)
