// TCP: closing in all its ways, errors after it, and large transfers.
#include "test.h"

static void half_close_by_client(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET);
	char text[8], c;
	write_all(p.client, "request", 7);
	OK(shutdown(p.client, SHUT_WR));
	read_all(p.server, text, 7);
	EQ(read(p.server, &c, 1), 0);
	write_all(p.server, "response", 8);
	OK(close(p.server));
	read_all(p.client, text, 8);
	EQ(memcmp(text, "response", 8), 0);
	EQ(read(p.client, &c, 1), 0);
}

static void half_close_by_server(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET6);
	char text[5], c;
	write_all(p.server, "greet", 5);
	OK(shutdown(p.server, SHUT_WR));
	read_all(p.client, text, 5);
	EQ(read(p.client, &c, 1), 0);
	EQ(read(p.client, &c, 1), 0);
	for (int i = 0; i < 10; i++)
		write_all(p.client, "after", 5);
	OK(shutdown(p.client, SHUT_WR));
	for (int i = 0; i < 10; i++)
		read_all(p.server, text, 5);
	EQ(read(p.server, &c, 1), 0);
}

static void shutdown_read(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET);
	char c;
	OK(shutdown(p.client, SHUT_RD));
	EQ(read(p.client, &c, 1), 0);
	EQ(poll_one(p.client, POLLIN | POLLRDHUP, 1000), POLLIN | POLLRDHUP);
	write_all(p.client, "x", 1);
	read_all(p.server, &c, 1);
}

static void shutdown_both(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET);
	char c;
	OK(shutdown(p.client, SHUT_RDWR));
	EQ(read(p.client, &c, 1), 0);
	ERR(send(p.client, "x", 1, MSG_NOSIGNAL), EPIPE);
	EQ(read(p.server, &c, 1), 0);
	OK(shutdown(p.client, SHUT_RDWR));
}

static void set_linger(int fd, int seconds)
{
	struct linger l = { .l_onoff = 1, .l_linger = seconds };
	OK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof l));
}

static void linger_zero_resets(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET);
	char c;
	set_linger(p.client, 0);
	OK(close(p.client));
	ERR(read(p.server, &c, 1), ECONNRESET);
	EQ(read(p.server, &c, 1), 0);
	ERR(send(p.server, "x", 1, MSG_NOSIGNAL), EPIPE);
}

static void linger_waits(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET);
	set_linger(p.client, 5);
	write_all(p.client, "x", 1);
	long begin = now_ms();
	OK(close(p.client));
	CHECK(now_ms() - begin < 4000);
	char c;
	read_all(p.server, &c, 1);
	EQ(read(p.server, &c, 1), 0);
}

// close with unread data sends RST (RFC 2525, 2.17).
static void close_with_unread_data(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET);
	char c;
	write_all(p.client, "never read", 10);
	EQ(poll_one(p.server, POLLIN, 5000), POLLIN);
	OK(close(p.server));
	ERR(read(p.client, &c, 1), ECONNRESET);
	EQ(get_int(p.client, SOL_SOCKET, SO_ERROR), 0);
}

// The process dies with unread data: the kernel closes for it.
static void exit_with_unread_data(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET);
	char c;
	write_all(p.client, "never read", 10);
	EQ(poll_one(p.server, POLLIN, 5000), POLLIN);
	pid_t pid = test_fork();
	if (pid == 0)
		pause();
	OK(close(p.server));
	EQ(poll_one(p.client, POLLIN, 100), 0);
	OK(kill(pid, SIGKILL));
	ERR(read(p.client, &c, 1), ECONNRESET);
}

static volatile sig_atomic_t pipes;
static void on_pipe(int signal) { (void)signal; pipes++; }

static void sigpipe(const char *name)
{
	(void)name;
	struct sigaction action = { .sa_handler = on_pipe };
	OK(sigaction(SIGPIPE, &action, NULL));
	struct pair p = tcp_pair(AF_INET);
	OK(shutdown(p.client, SHUT_WR));
	ERR(write(p.client, "x", 1), EPIPE);
	EQ(pipes, 1);
	ERR(send(p.client, "x", 1, 0), EPIPE);
	EQ(pipes, 2);
	ERR(send(p.client, "x", 1, MSG_NOSIGNAL), EPIPE);
	struct iovec iov = { "x", 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	ERR(sendmsg(p.client, &m, MSG_NOSIGNAL), EPIPE);
	EQ(pipes, 2);
	ERR(sendmsg(p.client, &m, 0), EPIPE);
	EQ(pipes, 3);
}

// Writing to a peer that is gone: first it works, then comes EPIPE, with
// ECONNRESET told once in between or not at all.
static void write_after_peer_closed(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET);
	OK(close(p.server));
	EQ(poll_one(p.client, POLLRDHUP, 5000), POLLRDHUP);
	EQ(send(p.client, "x", 1, MSG_NOSIGNAL), 1);
	EQ(poll_one(p.client, POLLHUP, 5000) & POLLHUP, POLLHUP);
	ERR(send(p.client, "x", 1, MSG_NOSIGNAL), EPIPE);
	char c;
	ssize_t n = recv(p.client, &c, 1, 0);
	CHECK(n == 0 || (n == -1 && errno == ECONNRESET));
}

static void data_before_fin(const char *name)
{
	(void)name;
	static char out[200000], in[200000];
	for (size_t i = 0; i < sizeof out; i++)
		out[i] = (char)(i * 31 >> 3);
	struct pair p = tcp_pair(AF_INET);
	pid_t pid = test_fork();
	if (pid == 0) {
		OK(close(p.server));
		write_all(p.client, out, sizeof out);
		_exit(0);
	}
	OK(close(p.client));
	read_all(p.server, in, sizeof in);
	EQ(memcmp(in, out, sizeof in), 0);
	EQ(read(p.server, in, 1), 0);
	wait_ok(pid);
}

// ---- bulk ----

enum { BULK = 8 << 20 };

struct flow { int fd; unsigned seed; _Atomic size_t sent; };

static unsigned char pattern(unsigned seed, size_t i) { return (unsigned char)((i * 2654435761u + seed) >> 13); }

static void *send_flow(void *argument)
{
	static __thread unsigned char block[50000];
	struct flow *f = argument;
	for (size_t sent = 0; sent < BULK;) {
		size_t len = BULK - sent < sizeof block ? BULK - sent : sizeof block;
		for (size_t i = 0; i < len; i++)
			block[i] = pattern(f->seed, sent + i);
		write_all(f->fd, block, len);
		sent += len;
		f->sent = sent;
	}
	OK(shutdown(f->fd, SHUT_WR));
	return NULL;
}

static void *receive_flow(void *argument)
{
	static __thread unsigned char block[70000];
	struct flow *f = argument;
	size_t got = 0;
	for (;;) {
		ssize_t n = OK(read(f->fd, block, sizeof block));
		if (n == 0)
			break;
		for (ssize_t i = 0; i < n; i++)
			if (block[i] != pattern(f->seed, got + i))
				FAIL("byte %zu differs", got + i);
		got += n;
	}
	EQ(got, BULK);
	return NULL;
}

static void bulk(int family)
{
	struct pair p = tcp_pair(family);
	struct flow up = { p.client, 1, 0 }, up_end = { p.server, 1, 0 };
	struct flow down = { p.server, 2, 0 }, down_end = { p.client, 2, 0 };
	pthread_t threads[] = {
		start(send_flow, &up), start(receive_flow, &up_end),
		start(send_flow, &down), start(receive_flow, &down_end),
	};
	for (size_t i = 0; i < COUNT(threads); i++)
		join(threads[i]);
}

static void bulk_both_ways(const char *name) { (void)name; bulk(AF_INET); }
static void bulk_both_ways_v6(const char *name) { (void)name; bulk(AF_INET6); }

// A writer without a reader stops, with its socket full, before it has sent
// all; nothing is lost when the reader comes.
static void back_pressure(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET);
	struct flow up = { p.client, 3, 0 }, up_end = { p.server, 3, 0 };
	size_t before = 0;
	// Buffers that grow by themselves may come to hold everything.
	int size = 256 << 10;
	OK(setsockopt(p.client, SOL_SOCKET, SO_SNDBUF, &size, sizeof size));
	OK(setsockopt(p.server, SOL_SOCKET, SO_RCVBUF, &size, sizeof size));
	pthread_t writer = start(send_flow, &up);
	for (int stable = 0; stable < 5; sleep_ms(40)) {
		size_t sent = up.sent;
		CHECK(sent < BULK);
		int full = poll_one(p.client, POLLOUT, 0) == 0;
		stable = full && sent == before && sent > 0 ? stable + 1 : 0;
		before = sent;
	}
	int pending;
	OK(ioctl(p.server, FIONREAD, &pending));
	CHECK(pending > 0 && pending < BULK);
	receive_flow(&up_end);
	join(writer);
}

// Out of thousands of one-byte writes none is lost or doubled.
static void small_writes(const char *name)
{
	(void)name;
	struct pair p = tcp_pair(AF_INET);
	static unsigned char in[5000];
	for (int i = 0; i < 5000; i++) {
		unsigned char c = (unsigned char)(i * 7);
		write_all(p.client, &c, 1);
	}
	read_all(p.server, in, sizeof in);
	for (int i = 0; i < 5000; i++)
		EQ(in[i], (unsigned char)(i * 7));
}

static const struct test_case cases[] = {
	{ "half_close_by_client", half_close_by_client },
	{ "half_close_by_server", half_close_by_server },
	{ "shutdown_read", shutdown_read },
	{ "shutdown_both", shutdown_both },
	{ "linger_zero_resets", linger_zero_resets },
	{ "linger_waits", linger_waits },
	{ "close_with_unread_data", close_with_unread_data },
	{ "exit_with_unread_data", exit_with_unread_data },
	{ "sigpipe", sigpipe },
	{ "write_after_peer_closed", write_after_peer_closed },
	{ "data_before_fin", data_before_fin },
	{ "bulk_both_ways", bulk_both_ways },
	{ "bulk_both_ways_v6", bulk_both_ways_v6 },
	{ "back_pressure", back_pressure },
	{ "small_writes", small_writes },
};

TEST_MAIN(cases)
