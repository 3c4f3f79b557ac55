// UDP: boundaries, addresses, errors, connected sockets.
#include "test.h"
#include <sched.h>

static int sendto_fd(int from, int to, const void *data, size_t len)
{
	union address a = local_address(to);
	return sendto(from, data, len, 0, &a.any, address_len(a.any.sa_family));
}

static void echo(const char *name)
{
	(void)name;
	int families[] = { AF_INET, AF_INET6 };
	for (size_t i = 0; i < COUNT(families); i++) {
		int server = bound(families[i], SOCK_DGRAM), client = bound(families[i], SOCK_DGRAM);
		union address from;
		socklen_t len = sizeof from;
		char text[16];
		EQ(sendto_fd(client, server, "question", 8), 8);
		EQ(recvfrom(server, text, sizeof text, 0, &from.any, &len), 8);
		EQ(len, address_len(families[i]));
		EQ(port_of(from), local_port(client));
		EQ(sendto(server, "answer", 6, 0, &from.any, len), 6);
		len = sizeof from;
		EQ(recvfrom(client, text, sizeof text, 0, &from.any, &len), 6);
		EQ(port_of(from), local_port(server));
		EQ(memcmp(text, "answer", 6), 0);
	}
}

static void connected(const char *name)
{
	(void)name;
	int a = bound(AF_INET, SOCK_DGRAM), b = bound(AF_INET, SOCK_DGRAM), stranger = bound(AF_INET, SOCK_DGRAM);
	char text[16];
	OK(connect_fd(a, b));
	OK(connect_fd(b, a));
	EQ(write(a, "one", 3), 3);
	EQ(send(a, "two", 3, 0), 3);
	EQ(sendto_fd(stranger, b, "stranger", 8), 8);
	EQ(sendto_fd(a, b, "three", 5), 5);
	EQ(read(b, text, sizeof text), 3);
	EQ(recv(b, text, sizeof text, 0), 3);
	EQ(recv(b, text, sizeof text, 0), 5);
	ERR(recv(b, text, sizeof text, MSG_DONTWAIT), EAGAIN);
}

// sendto with an address on a connected socket goes to that address.
static void connected_sendto_elsewhere(const char *name)
{
	(void)name;
	int a = bound(AF_INET, SOCK_DGRAM), b = bound(AF_INET, SOCK_DGRAM), c = bound(AF_INET, SOCK_DGRAM);
	char text[8];
	OK(connect_fd(a, b));
	EQ(sendto_fd(a, c, "for c", 5), 5);
	EQ(send(a, "for b", 5, 0), 5);
	EQ(recv(c, text, sizeof text, 0), 5);
	EQ(memcmp(text, "for c", 5), 0);
	EQ(recv(b, text, sizeof text, 0), 5);
	EQ(memcmp(text, "for b", 5), 0);
}

static void connect_again(const char *name)
{
	(void)name;
	int a = bound(AF_INET, SOCK_DGRAM), b = bound(AF_INET, SOCK_DGRAM), c = bound(AF_INET, SOCK_DGRAM);
	char byte;
	OK(connect_fd(a, b));
	EQ(send(a, "b", 1, 0), 1);
	OK(connect_fd(a, c));
	EQ(send(a, "c", 1, 0), 1);
	EQ(recv(b, &byte, 1, 0), 1);
	EQ(byte, 'b');
	EQ(recv(c, &byte, 1, 0), 1);
	EQ(byte, 'c');
}

static void zero_length(const char *name)
{
	(void)name;
	int a = bound(AF_INET, SOCK_DGRAM), b = bound(AF_INET, SOCK_DGRAM);
	union address from;
	socklen_t len = sizeof from;
	char text[4];
	EQ(sendto_fd(a, b, "", 0), 0);
	EQ(sendto_fd(a, b, "x", 1), 1);
	EQ(poll_one(b, POLLIN, 5000), POLLIN);
	EQ(recvfrom(b, text, sizeof text, 0, &from.any, &len), 0);
	EQ(port_of(from), local_port(a));
	EQ(recv(b, text, sizeof text, 0), 1);
	OK(connect_fd(a, b));
	EQ(send(a, "", 0, 0), 0);
	EQ(read(b, text, sizeof text), 0);
}

static void truncated(const char *name)
{
	(void)name;
	int a = bound(AF_INET, SOCK_DGRAM), b = bound(AF_INET, SOCK_DGRAM);
	union address from;
	socklen_t len = sizeof from;
	char text[4];
	struct iovec iov = { text, 4 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	for (int i = 0; i < 5; i++)
		EQ(sendto_fd(a, b, "0123456789", 10), 10);
	EQ(recv(b, text, 4, 0), 4);
	EQ(recv(b, text, 4, MSG_TRUNC), 10);
	EQ(recvfrom(b, text, 4, MSG_TRUNC, &from.any, &len), 10);
	EQ(recvmsg(b, &m, 0), 4);
	EQ(m.msg_flags & MSG_TRUNC, MSG_TRUNC);
	EQ(recvmsg(b, &m, MSG_TRUNC), 10);
	ERR(recv(b, text, 4, MSG_DONTWAIT), EAGAIN);
}

static void peek_with_address(const char *name)
{
	(void)name;
	int a = bound(AF_INET, SOCK_DGRAM), b = bound(AF_INET, SOCK_DGRAM), c = bound(AF_INET, SOCK_DGRAM);
	union address from;
	socklen_t len;
	char text[8];
	EQ(sendto_fd(a, c, "a", 1), 1);
	EQ(sendto_fd(b, c, "bb", 2), 2);
	for (int i = 0; i < 3; i++) {
		len = sizeof from;
		EQ(recvfrom(c, text, sizeof text, MSG_PEEK, &from.any, &len), 1);
		EQ(port_of(from), local_port(a));
	}
	len = sizeof from;
	EQ(recvfrom(c, text, sizeof text, 0, &from.any, &len), 1);
	EQ(port_of(from), local_port(a));
	EQ(recvfrom(c, text, 1, MSG_PEEK | MSG_TRUNC, &from.any, &len), 2);
	EQ(port_of(from), local_port(b));
	EQ(recvfrom(c, text, sizeof text, 0, &from.any, &len), 2);
	EQ(port_of(from), local_port(b));
}

// Addresses stay with their datagrams when read() takes some in between.
static void mixed_reads(const char *name)
{
	(void)name;
	enum { N = 30 };
	int c = bound(AF_INET, SOCK_DGRAM), senders[3];
	for (int i = 0; i < 3; i++)
		senders[i] = bound(AF_INET, SOCK_DGRAM);
	for (int i = 0; i < N; i++) {
		char byte = (char)i;
		EQ(sendto_fd(senders[i % 3], c, &byte, 1), 1);
	}
	for (int i = 0; i < N; i++) {
		union address from;
		socklen_t len = sizeof from;
		char byte;
		if (i % 4 == 1)
			EQ(read(c, &byte, 1), 1);
		else if (i % 4 == 2)
			EQ(recv(c, &byte, 1, 0), 1);
		else {
			EQ(recvfrom(c, &byte, 1, 0, &from.any, &len), 1);
			EQ(port_of(from), local_port(senders[i % 3]));
		}
		EQ(byte, i);
	}
}

static int reader_fd;
static volatile int reader_total;
enum { READER_DATAGRAMS = 400 };

// Each datagram carries its sender's port; the address must agree.
static void *reader(void *argument)
{
	(void)argument;
	for (;;) {
		union address from;
		socklen_t len = sizeof from;
		uint16_t port;
		EQ(recvfrom(reader_fd, &port, sizeof port, 0, &from.any, &len), 2);
		if (port == 0)
			return NULL;
		EQ(port_of(from), port);
		__atomic_add_fetch(&reader_total, 1, __ATOMIC_SEQ_CST);
	}
}

static void two_readers(const char *name)
{
	(void)name;
	int senders[5];
	reader_fd = bound(AF_INET, SOCK_DGRAM);
	pthread_t threads[] = { start(reader, NULL), start(reader, NULL) };
	for (size_t i = 0; i < COUNT(senders); i++)
		senders[i] = bound(AF_INET, SOCK_DGRAM);
	for (int i = 0; i < READER_DATAGRAMS; i++) {
		int fd = senders[i % COUNT(senders)];
		uint16_t port = local_port(fd);
		EQ(sendto_fd(fd, reader_fd, &port, sizeof port), 2);
		// At most 20 datagrams wait, so that none is dropped.
		for (long end = now_ms() + 10000; i - reader_total > 20;) {
			CHECK(now_ms() < end);
			sched_yield();
		}
	}
	uint16_t end = 0;
	EQ(sendto_fd(senders[0], reader_fd, &end, sizeof end), 2);
	EQ(sendto_fd(senders[0], reader_fd, &end, sizeof end), 2);
	join(threads[0]);
	join(threads[1]);
	EQ(reader_total, READER_DATAGRAMS);
}

static int bind_loopback(int fd, uint16_t port)
{
	union address a = loopback(AF_INET, port);
	return bind(fd, &a.any, sizeof a.in);
}

// A free port, as a number.
static uint16_t free_port(void)
{
	int fd = bound(AF_INET, SOCK_DGRAM);
	uint16_t port = local_port(fd);
	OK(close(fd));
	return port;
}

// Dissolving the association keeps a port that the program named, and gives
// back one that the kernel chose (__udp_disconnect in net/ipv4/udp.c).
static void disconnect_and_port(const char *name)
{
	(void)name;
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	int other = bound(AF_INET, SOCK_DGRAM), chosen = bound(AF_INET, SOCK_DGRAM);
	OK(connect_fd(chosen, other));
	OK(connect(chosen, &none, sizeof none));
	EQ(local_port(chosen), 0);
	int fd = OK(socket(AF_INET, SOCK_DGRAM, 0));
	uint16_t port = free_port();
	OK(bind_loopback(fd, port));
	OK(connect_fd(fd, other));
	OK(connect(fd, &none, sizeof none));
	EQ(local_port(fd), port);
	EQ(sendto_fd(other, fd, "x", 1), 1);
	char c;
	EQ(recv(fd, &c, 1, 0), 1);
	ERR(bind_loopback(fd, port), EINVAL);
}

// What was given back may be bound again.
static void bind_after_disconnect(const char *name)
{
	(void)name;
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	int other = bound(AF_INET, SOCK_DGRAM), fd = bound(AF_INET, SOCK_DGRAM);
	OK(connect_fd(fd, other));
	OK(connect(fd, &none, sizeof none));
	OK(bind_loopback(fd, 0));
	EQ(sendto_fd(other, fd, "x", 1), 1);
	char c;
	EQ(recv(fd, &c, 1, 0), 1);
}

static void sizes(const char *name)
{
	(void)name;
	static char out[70000], in[70000];
	int a = bound(AF_INET, SOCK_DGRAM), b = bound(AF_INET, SOCK_DGRAM);
	const int lens[] = { 1, 511, 1472, 1473, 9000, 65507 };
	for (size_t i = 0; i < COUNT(lens); i++) {
		memset(out, 'a' + (int)i, sizeof out);
		EQ(sendto_fd(a, b, out, lens[i]), lens[i]);
		EQ(recv(b, in, sizeof in, 0), lens[i]);
		EQ(memcmp(in, out, lens[i]), 0);
	}
	ERR(sendto_fd(a, b, out, 65508), EMSGSIZE);
	ERR(sendto_fd(a, b, out, sizeof out), EMSGSIZE);
}

static void destination_errors(const char *name)
{
	(void)name;
	int fd = OK(socket(AF_INET, SOCK_DGRAM, 0));
	union address a = loopback(AF_INET, 9), six = loopback(AF_INET6, 9);
	struct iovec iov = { "x", 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	ERR(sendmsg(fd, &m, 0), EDESTADDRREQ);
	ERR(sendto(fd, "x", 1, 0, &a.any, 4), EINVAL);
	ERR(sendto(fd, "x", 1, 0, &six.any, sizeof six.in6), EAFNOSUPPORT);
	a.in.sin_port = 0;
	ERR(sendto(fd, "x", 1, 0, &a.any, sizeof a.in), EINVAL);
	a = loopback(AF_INET, 9);
	a.in.sin_addr.s_addr = htonl(INADDR_BROADCAST);
	ERR(sendto(fd, "x", 1, 0, &a.any, sizeof a.in), EACCES);
	ERR(connect(fd, &a.any, sizeof a.in), EACCES);
}

static void queue_overflow_drops(const char *name)
{
	(void)name;
	int a = bound(AF_INET, SOCK_DGRAM), b = bound(AF_INET, SOCK_DGRAM);
	static char block[1000];
	int sent = 0, got = 0;
	for (int i = 0; i < 2000; i++)
		sent += sendto_fd(a, b, block, sizeof block) == sizeof block;
	EQ(sent, 2000);
	while (poll_one(b, POLLIN, 100)) {
		EQ(recv(b, block, sizeof block, MSG_DONTWAIT), sizeof block);
		got++;
	}
	CHECK(got > 10 && got < 2000);
	EQ(sendto_fd(a, b, "last", 4), 4);
	EQ(recv(b, block, sizeof block, 0), 4);
}

static const struct test_case cases[] = {
	{ "echo", echo },
	{ "connected", connected },
	{ "connected_sendto_elsewhere", connected_sendto_elsewhere },
	{ "connect_again", connect_again },
	{ "zero_length", zero_length },
	{ "truncated", truncated },
	{ "peek_with_address", peek_with_address },
	{ "mixed_reads", mixed_reads },
	{ "two_readers", two_readers },
	{ "disconnect_and_port", disconnect_and_port },
	{ "bind_after_disconnect", bind_after_disconnect },
	{ "sizes", sizes },
	{ "destination_errors", destination_errors },
	{ "queue_overflow_drops", queue_overflow_drops },
};

TEST_MAIN(cases)
