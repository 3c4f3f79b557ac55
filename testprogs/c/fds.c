// Descriptors of sockets are ordinary descriptors: duplicated, shared,
// inherited and numbered as any other.
#include "test.h"

static void dup_keeps_open(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET);
	int copy = OK(dup(p.client));
	OK(close(p.client));
	ping_pong(copy, p.server);
	OK(close(copy));
	char c;
	EQ(read(p.server, &c, 1), 0);
}

static void dup2_over_socket(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET), q = tcp_pair(AF_INET6);
	EQ(dup2(q.client, p.client), p.client);
	char c;
	EQ(read(p.server, &c, 1), 0);
	ping_pong(p.client, q.server);
	EQ(peer_address(p.client).any.sa_family, AF_INET6);
}

static void dup3_cloexec(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET);
	EQ(dup3(p.client, 100, O_CLOEXEC), 100);
	EQ(fcntl(100, F_GETFD), FD_CLOEXEC);
	EQ(fcntl(p.client, F_GETFD), 0);
	EQ(fcntl(p.client, F_DUPFD_CLOEXEC, 200), 200);
	EQ(fcntl(200, F_GETFD), FD_CLOEXEC);
	ERR(dup3(p.client, p.client, 0), EINVAL);
	ping_pong(200, p.server);
}

static void dup_shares_status_flags(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET);
	int copy = OK(dup(p.client));
	set_nonblock(copy);
	char c;
	ERR(read(p.client, &c, 1), EAGAIN);
	ERR(recv(p.client, &c, 1, 0), EAGAIN);
}

static void dup_before_connect(const char *name)
{
	(void)name;
	int l = listener(AF_INET, 1), fd = OK(socket(AF_INET, SOCK_STREAM, 0));
	int copy = OK(dup(fd));
	OK(connect_fd(copy, l));
	int server = OK(accept(l, NULL, NULL));
	ping_pong(fd, server);
	EQ(local_port(fd), port_of(peer_address(server)));
}

static void getfl_setfl(const char *name)
{
	(void)name;
	int fd = OK(socket(AF_INET, SOCK_STREAM, 0));
	EQ(fcntl(fd, F_GETFL), O_RDWR);
	OK(fcntl(fd, F_SETFL, O_NONBLOCK));
	EQ(fcntl(fd, F_GETFL), O_RDWR | O_NONBLOCK);
	OK(fcntl(fd, F_SETFL, 0));
	EQ(fcntl(fd, F_GETFL), O_RDWR);
	int flagged = OK(socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
	EQ(fcntl(flagged, F_GETFL), O_RDWR | O_NONBLOCK);
	EQ(fcntl(flagged, F_GETFD), FD_CLOEXEC);
}

static void fionbio(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET);
	int on = 1, off = 0;
	char c;
	OK(ioctl(p.client, FIONBIO, &on));
	EQ(fcntl(p.client, F_GETFL), O_RDWR | O_NONBLOCK);
	ERR(read(p.client, &c, 1), EAGAIN);
	OK(ioctl(p.client, FIONBIO, &off));
	EQ(fcntl(p.client, F_GETFL), O_RDWR);
	OK(ioctl(p.client, FIOCLEX));
	EQ(fcntl(p.client, F_GETFD), FD_CLOEXEC);
}

static void fionread_tcp(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET);
	int n = -1;
	OK(ioctl(p.server, FIONREAD, &n));
	EQ(n, 0);
	write_all(p.client, "hello", 5);
	EQ(poll_one(p.server, POLLIN, -1), POLLIN);
	OK(ioctl(p.server, FIONREAD, &n));
	EQ(n, 5);
}

static void fionread_listener(const char *name)
{
	(void)name;
	int l = listener(AF_INET, 1), n;
	ERR(ioctl(l, FIONREAD, &n), EINVAL);
}

static void fionread_udp(const char *name)
{
	(void)name;
	int a = bound(AF_INET, SOCK_DGRAM), b = bound(AF_INET, SOCK_DGRAM), n = -1;
	union address to = local_address(a);
	EQ(sendto(b, "first", 5, 0, &to.any, sizeof to.in), 5);
	EQ(sendto(b, "second one", 10, 0, &to.any, sizeof to.in), 10);
	EQ(poll_one(a, POLLIN, -1), POLLIN);
	OK(ioctl(a, FIONREAD, &n));
	EQ(n, 5);
}

static volatile sig_atomic_t got_sigio;
static void on_sigio(int signal) { (void)signal; got_sigio++; }

static void sigio(const char *name)
{
	(void)name;
	struct sigaction action = { .sa_handler = on_sigio };
	OK(sigaction(SIGIO, &action, NULL));
	struct pair p = tcp_pair(AF_INET);
	int on = 1;
	OK(fcntl(p.server, F_SETOWN, getpid()));
	OK(ioctl(p.server, FIOASYNC, &on));
	EQ(fcntl(p.server, F_GETFL) & O_ASYNC, O_ASYNC);
	EQ(fcntl(p.server, F_GETOWN), getpid());
	int before = got_sigio;
	write_all(p.client, "x", 1);
	for (int i = 0; i < 5000 && got_sigio == before; i++)
		sleep_ms(1);
	CHECK(got_sigio > before);
}

static void lowest_number(const char *name)
{
	(void)name;
	int l = listener(AF_INET, 8);
	int a = connect_to(l), b = connect_to(l), c = OK(dup(0));
	OK(close(a));
	EQ(socket(AF_INET, SOCK_STREAM, 0), a);
	OK(close(b));
	EQ(accept(l, NULL, NULL), b);
	OK(close(a));
	OK(close(c));
	EQ(accept4(l, NULL, NULL, SOCK_CLOEXEC), a < c ? a : c);
	OK(close(0));
	EQ(socket(AF_INET6, SOCK_DGRAM, 0), 0);
}

static void limit_descriptors(int number)
{
	struct rlimit limit;
	OK(getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = number;
	OK(setrlimit(RLIMIT_NOFILE, &limit));
}

static void emfile_socket(const char *name)
{
	(void)name;
	int next = OK(dup(0));
	OK(close(next));
	limit_descriptors(next + 1);
	EQ(socket(AF_INET, SOCK_STREAM, 0), next);
	ERR(socket(AF_INET, SOCK_STREAM, 0), EMFILE);
	ERR(socket(AF_INET, SOCK_DGRAM, 0), EMFILE);
	OK(close(next));
	EQ(socket(AF_INET6, SOCK_DGRAM, 0), next);
}

// A connection for which accept had no descriptor stays in the queue.
static void emfile_accept(const char *name)
{
	(void)name;
	int l = listener(AF_INET, 8), client = connect_to(l);
	int next = OK(dup(0));
	OK(close(next));
	limit_descriptors(next);
	ERR(accept(l, NULL, NULL), EMFILE);
	ERR(accept4(l, NULL, NULL, SOCK_NONBLOCK), EMFILE);
	limit_descriptors(next + 1);
	int server = OK(accept(l, NULL, NULL));
	EQ(server, next);
	ping_pong(client, server);
}

static void close_range_sockets(const char *name)
{
	(void)name;
	int l = listener(AF_INET, 8), clients[5], servers[5];
	for (int i = 0; i < 5; i++) {
		int fd = connect_to(l);
		clients[i] = OK(fcntl(fd, F_DUPFD, 100 + i));
		OK(close(fd));
		servers[i] = OK(accept(l, NULL, NULL));
	}
	OK(syscall(SYS_close_range, 101, 103, 0));
	for (int i = 0; i < 5; i++) {
		bool closed = i >= 1 && i <= 3;
		char c;
		if (closed)
			EQ(read(servers[i], &c, 1), 0);
		else
			ping_pong(clients[i], servers[i]);
	}
}

static const struct test_case cases[] = {
	{ "dup", dup_keeps_open },
	{ "dup2_over_socket", dup2_over_socket },
	{ "dup3_cloexec", dup3_cloexec },
	{ "dup_shares_status_flags", dup_shares_status_flags },
	{ "dup_before_connect", dup_before_connect },
	{ "getfl_setfl", getfl_setfl },
	{ "fionbio", fionbio },
	{ "fionread_tcp", fionread_tcp },
	{ "fionread_listener", fionread_listener },
	{ "fionread_udp", fionread_udp },
	{ "sigio", sigio },
	{ "lowest_number", lowest_number },
	{ "emfile_socket", emfile_socket },
	{ "emfile_accept", emfile_accept },
	{ "close_range", close_range_sockets },
};

TEST_MAIN(cases)
