// listen and accept.
#include "test.h"

// Workers forked before any connection share one listener; every connection is
// served exactly once.
static void prefork(const char *name)
{
	(void)name;
	enum { WORKERS = 4, CONNECTIONS = 200 };
	int l = listener(AF_INET, 128), served[CONNECTIONS] = { 0 };
	pid_t workers[WORKERS];
	for (int i = 0; i < WORKERS; i++) {
		workers[i] = test_fork();
		if (workers[i] != 0)
			continue;
		for (;;) {
			int fd = OK(accept(l, NULL, NULL));
			int number;
			read_all(fd, &number, sizeof number);
			write_all(fd, &number, sizeof number);
			OK(close(fd));
		}
	}
	for (int i = 0; i < CONNECTIONS; i++) {
		int fd = connect_to(l), number = -1;
		char c;
		write_all(fd, &i, sizeof i);
		read_all(fd, &number, sizeof number);
		served[number]++;
		EQ(read(fd, &c, 1), 0);
		OK(close(fd));
	}
	for (int i = 0; i < CONNECTIONS; i++)
		EQ(served[i], 1);
	for (int i = 0; i < WORKERS; i++) {
		int status;
		OK(kill(workers[i], SIGKILL));
		EQ(waitpid(workers[i], &status, 0), workers[i]);
		CHECK(WIFSIGNALED(status));
	}
}

static void *accept_ten(void *argument)
{
	for (int i = 0; i < 10; i++) {
		int fd = OK(accept((int)(intptr_t)argument, NULL, NULL));
		write_all(fd, "k", 1);
		OK(close(fd));
	}
	return NULL;
}

static void thread_pool(const char *name)
{
	(void)name;
	int l = listener(AF_INET6, 16);
	pthread_t threads[6];
	for (size_t i = 0; i < COUNT(threads); i++)
		threads[i] = start(accept_ten, (void *)(intptr_t)l);
	for (size_t i = 0; i < 10 * COUNT(threads); i++) {
		int fd = connect_to(l);
		char c;
		read_all(fd, &c, 1);
		OK(close(fd));
	}
	for (size_t i = 0; i < COUNT(threads); i++)
		join(threads[i]);
}

static void accept4_flags(const char *name)
{
	(void)name;
	int l = listener(AF_INET, 8);
	int flags[] = { 0, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_CLOEXEC | SOCK_NONBLOCK };
	for (size_t i = 0; i < COUNT(flags); i++) {
		int c = connect_to(l), s = OK(accept4(l, NULL, NULL, flags[i]));
		EQ(fcntl(s, F_GETFD), flags[i] & SOCK_CLOEXEC ? FD_CLOEXEC : 0);
		EQ(fcntl(s, F_GETFL), O_RDWR | (flags[i] & SOCK_NONBLOCK));
		OK(close(c));
	}
	ERR(accept4(l, NULL, NULL, 1), EINVAL);
}

// The status flags of the listener are not inherited (accept(2), NOTES).
static void flags_not_inherited(const char *name)
{
	(void)name;
	int l = listener(AF_INET, 8);
	set_nonblock(l);
	OK(fcntl(l, F_SETFD, FD_CLOEXEC));
	int c = connect_to(l);
	EQ(poll_one(l, POLLIN, 5000), POLLIN);
	int s = OK(accept(l, NULL, NULL));
	EQ(fcntl(s, F_GETFL), O_RDWR);
	EQ(fcntl(s, F_GETFD), 0);
	ping_pong(c, s);
}

static void peer_address_given(const char *name)
{
	(void)name;
	for (int i = 0; i < 2; i++) {
		int family = i ? AF_INET6 : AF_INET;
		int l = listener(family, 8), c = connect_to(l);
		union address from = { 0 }, want = local_address(c);
		socklen_t len = sizeof from;
		int s = OK(accept(l, &from.any, &len));
		EQ(len, address_len(family));
		EQ(from.any.sa_family, family);
		EQ(port_of(from), port_of(want));
		EQ(memcmp(&from, &want, len), 0);
		OK(close(s));
	}
}

// A short buffer takes a part of the address, and the length tells the whole.
static void address_truncated(const char *name)
{
	(void)name;
	int l = listener(AF_INET, 8);
	connect_to(l);
	unsigned char part[8];
	memset(part, 0xee, sizeof part);
	socklen_t len = 4;
	OK(accept(l, (struct sockaddr *)part, &len));
	EQ(len, sizeof(struct sockaddr_in));
	EQ(part[4], 0xee);
	CHECK(part[2] != 0xee || part[3] != 0xee);
}

static void would_block(const char *name)
{
	(void)name;
	int l = listener(AF_INET, 8);
	set_nonblock(l);
	ERR(accept(l, NULL, NULL), EAGAIN);
	ERR(accept4(l, NULL, NULL, SOCK_CLOEXEC), EAGAIN);
}

static void receive_timeout(const char *name)
{
	(void)name;
	int l = listener(AF_INET, 8);
	OK(set_timeout(l, SO_RCVTIMEO, 150));
	long begin = now_ms();
	ERR(accept(l, NULL, NULL), EAGAIN);
	long took = now_ms() - begin;
	CHECK(took >= 140 && took < 5000);
}

static void listen_twice(const char *name)
{
	(void)name;
	int l = listener(AF_INET, 1);
	int first = connect_to(l);
	OK(listen(l, 16));
	OK(listen(l, 0));
	OK(listen(l, -1));
	ping_pong(first, OK(accept(l, NULL, NULL)));
	int second = connect_to(l);
	ping_pong(second, OK(accept(l, NULL, NULL)));
}

static void listen_without_bind(const char *name)
{
	(void)name;
	int l = OK(socket(AF_INET, SOCK_STREAM, 0));
	OK(listen(l, 4));
	union address a = local_address(l);
	EQ(a.in.sin_addr.s_addr, htonl(INADDR_ANY));
	CHECK(port_of(a) != 0);
	a = loopback(AF_INET, port_of(a));
	int c = OK(socket(AF_INET, SOCK_STREAM, 0));
	OK(connect(c, &a.any, sizeof a.in));
	ping_pong(c, OK(accept(l, NULL, NULL)));
}

static void wrong_states(const char *name)
{
	(void)name;
	int fresh = OK(socket(AF_INET, SOCK_STREAM, 0)), datagram = bound(AF_INET, SOCK_DGRAM);
	ERR(accept(fresh, NULL, NULL), EINVAL);
	ERR(accept(datagram, NULL, NULL), EOPNOTSUPP);
	ERR(listen(datagram, 1), EOPNOTSUPP);
	struct pair p = tcp_pair(AF_INET);
	ERR(accept(p.client, NULL, NULL), EINVAL);
	ERR(listen(p.client, 1), EINVAL);
	int l = listener(AF_INET, 1);
	ERR(connect_fd(l, l), EISCONN);
}

// Data calls on a listener.
static void listener_io(const char *name)
{
	(void)name;
	int l = listener(AF_INET, 1);
	char c;
	ERR(recv(l, &c, 1, 0), ENOTCONN);
	ERR(send(l, "x", 1, MSG_NOSIGNAL), EPIPE);
}

static void *knock(void *argument)
{
	int fd = connect_to((int)(intptr_t)argument);
	char c;
	write_all(fd, "k", 1);
	read_all(fd, &c, 1);
	OK(close(fd));
	return NULL;
}

// More connections than the queue holds: none is refused, and all are served
// once the program accepts. (How many connect(2) return before that differs:
// with SYN cookies a client may believe itself connected.)
static void backlog_overflow(const char *name)
{
	(void)name;
	int l = listener(AF_INET, 1);
	pthread_t threads[6];
	for (size_t i = 0; i < COUNT(threads); i++)
		threads[i] = start(knock, (void *)(intptr_t)l);
	sleep_ms(200);
	for (size_t i = 0; i < COUNT(threads); i++) {
		EQ(poll_one(l, POLLIN, 20000), POLLIN);
		int s = OK(accept(l, NULL, NULL));
		char c;
		read_all(s, &c, 1);
		write_all(s, "s", 1);
	}
	for (size_t i = 0; i < COUNT(threads); i++)
		join(threads[i]);
}

// A connection which the client closed before accept is accepted nonetheless.
static void closed_before_accept(const char *name)
{
	(void)name;
	int l = listener(AF_INET, 8), c = connect_to(l);
	write_all(c, "bye", 3);
	OK(close(c));
	int s = OK(accept(l, NULL, NULL));
	char text[3];
	read_all(s, text, 3);
	EQ(read(s, text, 1), 0);
}

// Closing a listener resets what waits in its queue.
static void close_listener_resets(const char *name)
{
	(void)name;
	int l = listener(AF_INET, 8), c = connect_to(l);
	union address a = local_address(l);
	OK(close(l));
	char byte;
	ERR(read(c, &byte, 1), ECONNRESET);
	int late = OK(socket(AF_INET, SOCK_STREAM, 0));
	ERR(connect(late, &a.any, sizeof a.in), ECONNREFUSED);
}

// accept inherits options from the listener as Linux does.
static void options_inherited(const char *name)
{
	(void)name;
	int l = bound(AF_INET, SOCK_STREAM);
	OK(set_int(l, IPPROTO_TCP, TCP_NODELAY, 1));
	OK(set_int(l, SOL_SOCKET, SO_KEEPALIVE, 1));
	OK(set_int(l, IPPROTO_TCP, TCP_KEEPIDLE, 77));
	OK(listen(l, 8));
	connect_to(l);
	int s = OK(accept(l, NULL, NULL));
	EQ(get_int(s, IPPROTO_TCP, TCP_NODELAY), 1);
	EQ(get_int(s, SOL_SOCKET, SO_KEEPALIVE), 1);
	EQ(get_int(s, IPPROTO_TCP, TCP_KEEPIDLE), 77);
}

static const struct test_case cases[] = {
	{ "prefork", prefork },
	{ "thread_pool", thread_pool },
	{ "accept4_flags", accept4_flags },
	{ "flags_not_inherited", flags_not_inherited },
	{ "peer_address_given", peer_address_given },
	{ "address_truncated", address_truncated },
	{ "would_block", would_block },
	{ "receive_timeout", receive_timeout },
	{ "listen_twice", listen_twice },
	{ "listen_without_bind", listen_without_bind },
	{ "wrong_states", wrong_states },
	{ "listener_io", listener_io },
	{ "backlog_overflow", backlog_overflow },
	{ "closed_before_accept", closed_before_accept },
	{ "close_listener_resets", close_listener_resets },
	{ "options_inherited", options_inherited },
};

TEST_MAIN(cases)
