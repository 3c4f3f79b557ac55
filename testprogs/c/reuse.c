// Who may bind what: SO_REUSEADDR, SO_REUSEPORT, addresses in use.
#include "test.h"

enum { REUSE_ADDR = 1, REUSE_PORT = 2 };

static int with_options(int family, int type, int reuse)
{
	int fd = OK(socket(family, type, 0));
	if (reuse & REUSE_ADDR)
		OK(set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1));
	if (reuse & REUSE_PORT)
		OK(set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1));
	return fd;
}

static union address ipv4(uint32_t host, uint16_t port)
{
	union address a = loopback(AF_INET, port);
	a.in.sin_addr.s_addr = htonl(host);
	return a;
}

static int bind_address(int fd, union address a)
{
	return bind(fd, &a.any, address_len(a.any.sa_family));
}

// The matrix of two binds to one port: the answer to the second.
static void matrix(int type, bool first_listens, const int want[3][3])
{
	for (int first = 0; first <= 2; first++)
		for (int second = 0; second <= 2; second++) {
			int a = with_options(AF_INET, type, first);
			OK(bind_address(a, ipv4(INADDR_LOOPBACK, 0)));
			if (first_listens)
				OK(listen(a, 1));
			int b = with_options(AF_INET, type, second);
			int got = bind_address(b, ipv4(INADDR_LOOPBACK, local_port(a))) == -1 ? errno : 0;
			if (got != want[first][second])
				FAIL("first %d, second %d: errno %d, want %d", first, second, got, want[first][second]);
			OK(close(a));
			OK(close(b));
		}
}

static void matrix_bound(const char *name)
{
	(void)name;
	static const int want[3][3] = {
		{ EADDRINUSE, EADDRINUSE, EADDRINUSE },
		{ EADDRINUSE, 0, EADDRINUSE },
		{ EADDRINUSE, EADDRINUSE, 0 },
	};
	matrix(SOCK_STREAM, false, want);
}

static void matrix_listening(const char *name)
{
	(void)name;
	static const int want[3][3] = {
		{ EADDRINUSE, EADDRINUSE, EADDRINUSE },
		{ EADDRINUSE, EADDRINUSE, EADDRINUSE },
		{ EADDRINUSE, EADDRINUSE, 0 },
	};
	matrix(SOCK_STREAM, true, want);
}

static void matrix_udp(const char *name)
{
	(void)name;
	static const int want[3][3] = {
		{ EADDRINUSE, EADDRINUSE, EADDRINUSE },
		{ EADDRINUSE, 0, EADDRINUSE },
		{ EADDRINUSE, EADDRINUSE, 0 },
	};
	matrix(SOCK_DGRAM, false, want);
}

static void wildcard_conflicts(const char *name)
{
	(void)name;
	int l = listener(AF_INET, 1);
	uint16_t port = local_port(l);
	ERR(bind_address(with_options(AF_INET, SOCK_STREAM, 0), ipv4(INADDR_ANY, port)), EADDRINUSE);
	OK(bind_address(with_options(AF_INET, SOCK_STREAM, 0), ipv4(INADDR_LOOPBACK + 1, port)));
	OK(bind_address(with_options(AF_INET, SOCK_DGRAM, 0), ipv4(INADDR_ANY, port)));
}

// The dual-stack wildcard takes the IPv4 port too, IPV6_V6ONLY leaves it.
static void dual_stack_conflicts(const char *name)
{
	(void)name;
	for (int only = 0; only <= 1; only++) {
		int six = OK(socket(AF_INET6, SOCK_STREAM, 0));
		OK(set_int(six, IPPROTO_IPV6, IPV6_V6ONLY, only));
		union address any = { .in6 = { .sin6_family = AF_INET6 } };
		OK(bind(six, &any.any, sizeof any.in6));
		OK(listen(six, 1));
		int four = OK(socket(AF_INET, SOCK_STREAM, 0));
		int got = bind_address(four, ipv4(INADDR_ANY, local_port(six)));
		EQ(got, only ? 0 : -1);
		if (!only)
			EQ(errno, EADDRINUSE);
		OK(close(six));
		OK(close(four));
	}
}

// A server restarts while its old connections are in TIME_WAIT.
static void restart_over_time_wait(const char *name)
{
	(void)name;
	int l = with_options(AF_INET, SOCK_STREAM, REUSE_ADDR);
	OK(bind_address(l, ipv4(INADDR_LOOPBACK, 0)));
	OK(listen(l, 4));
	uint16_t port = local_port(l);
	int c = connect_to(l), s = OK(accept(l, NULL, NULL));
	char byte;
	OK(close(s));
	EQ(read(c, &byte, 1), 0);
	OK(close(c));
	OK(close(l));
	ERR(bind_address(with_options(AF_INET, SOCK_STREAM, 0), ipv4(INADDR_LOOPBACK, port)), EADDRINUSE);
	l = with_options(AF_INET, SOCK_STREAM, REUSE_ADDR);
	OK(bind_address(l, ipv4(INADDR_LOOPBACK, port)));
	OK(listen(l, 4));
	c = connect_to(l);
	ping_pong(c, OK(accept(l, NULL, NULL)));
}

// SO_REUSEPORT spreads connections over the listeners; each gets served.
static void reuseport_listeners(const char *name)
{
	(void)name;
	int a = with_options(AF_INET, SOCK_STREAM, REUSE_PORT), b = with_options(AF_INET, SOCK_STREAM, REUSE_PORT);
	OK(bind_address(a, ipv4(INADDR_LOOPBACK, 0)));
	OK(bind_address(b, ipv4(INADDR_LOOPBACK, local_port(a))));
	OK(listen(a, 64));
	OK(listen(b, 64));
	struct pollfd fds[] = { { .fd = a, .events = POLLIN }, { .fd = b, .events = POLLIN } };
	int served[2] = { 0 };
	for (int i = 0; i < 40; i++) {
		int c = connect_to(a);
		EQ(poll(fds, 2, 5000), 1);
		int which = fds[0].revents ? 0 : 1, s = OK(accept(fds[which].fd, NULL, NULL));
		ping_pong(c, s);
		served[which]++;
		OK(close(c));
		OK(close(s));
	}
	CHECK(served[0] > 0 && served[1] > 0);
}

static void reuseport_udp(const char *name)
{
	(void)name;
	int a = with_options(AF_INET, SOCK_DGRAM, REUSE_PORT), b = with_options(AF_INET, SOCK_DGRAM, REUSE_PORT);
	OK(bind_address(a, ipv4(INADDR_LOOPBACK, 0)));
	OK(bind_address(b, ipv4(INADDR_LOOPBACK, local_port(a))));
	int c = bound(AF_INET, SOCK_DGRAM);
	OK(connect_fd(c, a));
	EQ(send(c, "x", 1, 0), 1);
	struct pollfd fds[] = { { .fd = a, .events = POLLIN }, { .fd = b, .events = POLLIN } };
	EQ(poll(fds, 2, 5000), 1);
}

static void bind_errors(const char *name)
{
	(void)name;
	int fd = bound(AF_INET, SOCK_STREAM);
	ERR(bind_address(fd, ipv4(INADDR_LOOPBACK, 0)), EINVAL);
	int other = OK(socket(AF_INET, SOCK_STREAM, 0));
	ERR(bind_address(other, ipv4(0xc0000263, 0)), EADDRNOTAVAIL);
	union address six = loopback(AF_INET6, 0);
	ERR(bind(other, &six.any, sizeof six.in6), EAFNOSUPPORT);
	ERR(bind(other, &six.any, 4), EINVAL);
	OK(bind_address(other, ipv4(INADDR_LOOPBACK + 77, 0)));
	int datagram = OK(socket(AF_INET, SOCK_DGRAM, 0));
	OK(bind_address(datagram, ipv4(INADDR_ANY, 0)));
	CHECK(local_port(datagram) != 0);
}

// A closed listener's port is free at once; so is a closed UDP port.
static void port_free_after_close(const char *name)
{
	(void)name;
	int types[] = { SOCK_STREAM, SOCK_DGRAM };
	for (size_t i = 0; i < COUNT(types); i++) {
		int fd = bound(AF_INET, types[i]);
		uint16_t port = local_port(fd);
		if (types[i] == SOCK_STREAM)
			OK(listen(fd, 1));
		OK(close(fd));
		int again = OK(socket(AF_INET, types[i], 0));
		OK(bind_address(again, ipv4(INADDR_LOOPBACK, port)));
	}
}

// The port of a process that was killed is free once it is reaped.
static void port_free_after_kill(const char *name)
{
	(void)name;
	int ready[2];
	OK(pipe(ready));
	pid_t pid = test_fork();
	if (pid == 0) {
		int l = listener(AF_INET, 1);
		uint16_t port = local_port(l);
		write_all(ready[1], &port, sizeof port);
		for (;;)
			pause();
	}
	uint16_t port;
	int status;
	read_all(ready[0], &port, sizeof port);
	int fd = OK(socket(AF_INET, SOCK_STREAM, 0));
	ERR(bind_address(fd, ipv4(INADDR_LOOPBACK, port)), EADDRINUSE);
	OK(kill(pid, SIGKILL));
	EQ(waitpid(pid, &status, 0), pid);
	OK(bind_address(fd, ipv4(INADDR_LOOPBACK, port)));
}

// IP_LOCAL_PORT_RANGE (Linux 6.3): the port that bind, connect and listen choose is in
// it, and when it has none left they say so.
static void port_range(const char *name)
{
	(void)name;
	enum { IP_LOCAL_PORT_RANGE_ = 51 };
	for (int i = 0; i < 6; i++) {
		int type = i % 2 ? SOCK_DGRAM : SOCK_STREAM;
		int fd[3], server = listener(AF_INET, 1), spare = bound(AF_INET, type);
		uint16_t port = local_port(spare);
		OK(close(spare));
		for (int n = 0; n < 3; n++) {
			fd[n] = OK(socket(i < 4 ? AF_INET : AF_INET6, type, 0));
			int set = set_int(fd[n], IPPROTO_IP, IP_LOCAL_PORT_RANGE_, port | port << 16);
			if (set != 0 && errno == ENOPROTOOPT)
				skip("Linux before 6.3");
			OK(set);
			EQ((unsigned)get_int(fd[n], IPPROTO_IP, IP_LOCAL_PORT_RANGE_), port | (unsigned)port << 16);
		}
		struct sockaddr_in6 any6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
		union address to = local_address(server);
		if (i >= 4) {
			OK(bind(fd[0], (struct sockaddr *)&any6, sizeof any6));
			EQ(local_port(fd[0]), port);
			ERR(bind(fd[1], (struct sockaddr *)&any6, sizeof any6), EADDRINUSE);
		} else if (i >= 2) {
			OK(connect(fd[0], &to.any, sizeof to.in));
			EQ(local_port(fd[0]), port);
			ERR(connect(fd[1], &to.any, sizeof to.in), type == SOCK_STREAM ? EADDRNOTAVAIL : EAGAIN);
		} else {
			OK(bind_address(fd[0], ipv4(INADDR_LOOPBACK, 0)));
			EQ(local_port(fd[0]), port);
			ERR(bind_address(fd[1], ipv4(INADDR_LOOPBACK, 0)), EADDRINUSE);
		}
		if (type == SOCK_STREAM)
			ERR(listen(fd[2], 1), EADDRINUSE);
		for (int n = 0; n < 3; n++)
			OK(close(fd[n]));
		OK(close(server));
	}
	int fd = OK(socket(AF_INET, SOCK_STREAM, 0));
	ERR(set_int(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE_, 6 | 5 << 16), EINVAL);
	OK(set_int(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE_, 1 | 2 << 16)); // no port of ip_local_port_range: all of them
	OK(bind_address(fd, ipv4(INADDR_LOOPBACK, 0)));
	CHECK(local_port(fd) > 2);
}

static const struct test_case cases[] = {
	{ "matrix_bound", matrix_bound },
	{ "matrix_listening", matrix_listening },
	{ "matrix_udp", matrix_udp },
	{ "wildcard_conflicts", wildcard_conflicts },
	{ "dual_stack_conflicts", dual_stack_conflicts },
	{ "restart_over_time_wait", restart_over_time_wait },
	{ "reuseport_listeners", reuseport_listeners },
	{ "reuseport_udp", reuseport_udp },
	{ "bind_errors", bind_errors },
	{ "port_free_after_close", port_free_after_close },
	{ "port_free_after_kill", port_free_after_kill },
	{ "port_range", port_range },
};

TEST_MAIN(cases)
