/* traffic: what the client does with the server over the network.
 *
 * The first byte of a TCP connection says what the server does: 'd' sends until
 * the client closes, 'u' swallows until the end and answers one byte, 'e' echoes.
 */
#include "client.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a DNS query for a name of usual length has. */
enum { QUERY = 40, ANSWER_TIMEOUT_MS = 2000 };

/* The connection or socket that round trips are made on. */
static int fd;

static struct sockaddr_in server(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };

	if (inet_pton(AF_INET, host, &a.sin_addr) != 1)
		fail("inet_pton");
	return a;
}

int dial(int type)
{
	struct sockaddr_in a = server();
	int one = 1, s = socket(AF_INET, type, 0);

	if (s < 0)
		fail("socket");
	if (connect(s, (struct sockaddr *)&a, sizeof a) != 0)
		fail("connect");
	if (type == SOCK_STREAM && setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0)
		fail("TCP_NODELAY");
	return relayed ? relay(s, type) : s;
}

void put(int s, const void *p, size_t n)
{
	const char *at = p;

	while (n > 0) {
		ssize_t w = write(s, at, n);

		if (w <= 0)
			fail("write");
		at += w;
		n -= w;
	}
}

void get(int s, size_t n)
{
	while (n > 0) {
		ssize_t r = read(s, buffer, n < sizeof buffer ? n : sizeof buffer);

		if (r <= 0)
			fail("read");
		n -= r;
	}
}

double down(void)
{
	uint64_t start, took, n = 0;

	fd = dial(SOCK_STREAM);
	start = now();
	put(fd, "d", 1);
	do {
		ssize_t r = read(fd, buffer, sizeof buffer);

		if (r <= 0)
			fail("read");
		n += r;
		took = now() - start;
	} while (took < budget);
	close(fd);
	return n * 1e9 / took;
}

double up(void)
{
	uint64_t start, n = 0;

	fd = dial(SOCK_STREAM);
	start = now();
	put(fd, "u", 1);
	while (now() - start < budget) {
		put(fd, buffer, sizeof buffer);
		n += sizeof buffer;
	}
	/* What is still on its way is part of it. */
	if (shutdown(fd, SHUT_WR) != 0)
		fail("shutdown");
	get(fd, 1);
	return n * 1e9 / (now() - start);
}

/* four does the same in four processes at once and adds up. */
static double four(double (*one)(void))
{
	double sum = 0, rate;
	int ends[2];

	if (pipe(ends) != 0)
		fail("pipe");
	for (int i = 0; i < 4; i++) {
		pid_t pid = fork();

		if (pid < 0)
			fail("fork");
		if (pid == 0) {
			rate = one();
			_exit(write(ends[1], &rate, sizeof rate) != sizeof rate);
		}
	}
	close(ends[1]);
	for (int i = 0; i < 4; i++) {
		if (read(ends[0], &rate, sizeof rate) != sizeof rate)
			fail("a stream");
		sum += rate;
	}
	while (wait(NULL) > 0)
		;
	return sum;
}

double down4(void)
{
	return four(down);
}

double up4(void)
{
	return four(up);
}

void begin_tcp(void)
{
	fd = dial(SOCK_STREAM);
	put(fd, "e", 1);
}

void begin_udp(void)
{
	fd = dial(SOCK_DGRAM);
}

void begin_unconnected(void)
{
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (fd < 0)
		fail("socket");
}

void round_trip(void)
{
	put(fd, "x", 1);
	get(fd, 1);
}

void unconnected_round_trip(void)
{
	struct sockaddr_in a = server();
	socklen_t size = sizeof a;

	if (sendto(fd, "x", 1, 0, (struct sockaddr *)&a, sizeof a) != 1)
		fail("sendto");
	if (recvfrom(fd, buffer, sizeof buffer, 0, (struct sockaddr *)&a, &size) != 1)
		fail("recvfrom");
}

void connection(void)
{
	fd = dial(SOCK_STREAM);
	put(fd, "ex", 2);
	get(fd, 1);
	close(fd);
}

/* query makes the calls of glibc's resolver: a socket for each question. */
void query(void)
{
	struct pollfd p = { .events = POLLIN };
	struct sockaddr_in a;
	socklen_t size = sizeof a;

	p.fd = dial(SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (send(p.fd, buffer, QUERY, MSG_NOSIGNAL) != QUERY)
		fail("send");
	if (poll(&p, 1, ANSWER_TIMEOUT_MS) != 1)
		fail("poll");
	if (recvfrom(p.fd, buffer, sizeof buffer, 0, (struct sockaddr *)&a, &size) != QUERY)
		fail("recvfrom");
	close(p.fd);
}

/* idle has used the network and waits. */
void idle(void)
{
	round_trip();
	look("one", 1);
	_exit(0);
}
